"""Audio in: what is read is what was written, and a bad file is an error that says why."""

import tracemalloc

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from genrelib.base.errors import GenrelibError
from genrelib.features import audio


def sine(frequency, sr, seconds=1.0):
    return 0.5 * np.sin(2 * np.pi * frequency * np.arange(round(sr * seconds)) / sr)


@pytest.fixture
def wav(tmp_path):
    path = tmp_path / "sine.wav"
    soundfile.write(path, sine(440, 22050), 22050, subtype="FLOAT")
    return path


def test_a_wav_is_read_back_to_the_bit(wav):
    y = audio.read(wav)
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, sine(440, 22050).astype(np.float32))


@pytest.mark.parametrize("suffix", audio.SUFFIXES)
def test_every_format_is_decoded_mixed_down_and_resampled(tmp_path, suffix):
    path = tmp_path / f"stereo{suffix}"
    left, right = sine(440, 44100), sine(660, 44100)
    soundfile.write(path, np.stack([left, right], axis=1), 44100)
    y = audio.read(path)
    expected = (sine(440, 22050) + sine(660, 22050)) / 2
    assert y.shape == expected.shape
    # lossy formats change phases a little: compare spectra where the tones are
    levels = [np.abs(np.fft.rfft(x))[[440, 660, 550]] / len(x) for x in (y, expected)]
    np.testing.assert_allclose(levels[0], levels[1], atol=0.01)
    assert audio.inspect(path) == audio.AudioInfo(duration_s=1.0, sr=44100, channels=2)


def test_a_part_can_be_read(wav):
    whole = audio.read(wav)
    np.testing.assert_array_equal(
        audio.read(wav, offset_s=0.25, duration_s=0.5), whole[5512 : 5512 + 11025]
    )
    assert len(audio.read(wav, offset_s=0.9, duration_s=5)) == 22050 - 19845


def _bytes_cases():
    header = b"RIFF\x24\x00\x00\x00WAVEfmt "
    return {
        "empty": (b"", "empty (0 bytes)"),
        "text": (b"this is not music\n" * 200, "can't be decoded"),
        "zeros": (bytes(5000), "can't be decoded"),
        "corrupt header": (header + bytes(20), "can't be decoded"),
    }


@pytest.mark.parametrize("suffix", audio.SUFFIXES)
@pytest.mark.parametrize("case", _bytes_cases())
@pytest.mark.parametrize("function", [audio.read, audio.inspect])
def test_a_file_that_is_no_audio_says_so(tmp_path, suffix, case, function):
    content, message = _bytes_cases()[case]
    path = tmp_path / f"bad{suffix}"
    path.write_bytes(content)
    with pytest.raises(GenrelibError) as error:
        function(path)
    assert message in str(error.value)
    assert path.name in str(error.value)


def test_a_truncated_flac_is_an_error(tmp_path):
    path = tmp_path / "half.flac"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 44100), 22050)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(GenrelibError, match=r"states 2\.0 s, but 0\.\d s can be decoded"):
        audio.read(path)


def test_a_header_without_samples_is_an_error(tmp_path):
    path = tmp_path / "none.wav"
    soundfile.write(path, np.zeros(0), 22050)
    with pytest.raises(GenrelibError, match="no samples"):
        audio.read(path)


def test_a_missing_file_and_a_folder_are_errors(tmp_path):
    for path in (tmp_path / "missing.wav", tmp_path):
        with pytest.raises(GenrelibError, match="is not a file"):
            audio.read(path)


def test_samples_that_are_not_finite_are_counted(tmp_path):
    path = tmp_path / "nan.wav"
    y = sine(440, 22050)
    y[[3, 4]], y[5] = np.nan, np.inf
    soundfile.write(path, y, 22050, subtype="FLOAT")
    with pytest.raises(GenrelibError, match="3 samples that are NaN or infinite, of 22050"):
        audio.read(path)


def test_an_offset_beyond_the_end_is_an_error(wav):
    with pytest.raises(GenrelibError, match=r"lasts 1\.000 s, but offset_s=1"):
        audio.read(wav, offset_s=1.0)


@pytest.mark.parametrize("wrong", [{"sr": 0}, {"offset_s": -1.0}, {"duration_s": 0.0}])
def test_impossible_requests_are_errors(wav, wrong):
    with pytest.raises(GenrelibError, match="correct the call"):
        audio.read(wav, **wrong)


@given(n_samples=st.integers(0, 300), clip=st.integers(1, 300))
@settings(max_examples=60, deadline=None)
def test_an_excerpt_is_the_middle_and_exactly_as_long_as_asked(n_samples, clip):
    y = np.arange(1, n_samples + 1, dtype=np.float32)
    middle = audio.excerpt(y, sr=100, clip_s=clip / 100)
    assert middle.shape == (clip,)
    assert middle.dtype == y.dtype
    kept = middle[middle > 0]
    assert len(kept) == min(n_samples, clip)
    if n_samples:
        before, after = kept[0] - 1, n_samples - kept[-1]
        assert after - before in (0, 1)
    assert not middle[len(kept) :].any()


def test_an_excerpt_of_nothing_is_an_error():
    with pytest.raises(GenrelibError, match="longer clip"):
        audio.excerpt(np.ones(10), sr=10, clip_s=0.01)


# -- long files, and headers that claim what is not there ------------------------------------------


@pytest.mark.parametrize(("sr", "seconds"), [(44100, 130), (22050, 131.3), (48000, 129.9)])
def test_the_middle_of_a_long_file_is_that_of_the_whole(tmp_path, monkeypatch, sr, seconds):
    monkeypatch.setattr(audio, "LONG_S", 60.0)
    path = tmp_path / "long.flac"
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (round(sr * seconds), 2))
    soundfile.write(path, noise, sr)
    whole = audio.excerpt(audio.read(path), audio.SR, 10.0)
    np.testing.assert_allclose(audio.read_middle(path, 10.0), whole, atol=1e-4)


def test_of_a_long_file_only_the_clip_is_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(audio, "LONG_S", 60.0)
    path = tmp_path / "long.wav"
    soundfile.write(path, np.zeros(22050 * 600, dtype=np.int16), 22050)
    tracemalloc.start()
    audio.read_middle(path, 3.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 22050 * 60


def claiming(path, seconds):
    """Make a WAV's header state more seconds of 16-bit mono at 22050 Hz than there are."""
    content = bytearray(path.read_bytes())
    size = round(seconds * 22050) * 2
    content[4:8] = (size + 36).to_bytes(4, "little")
    content[40:44] = size.to_bytes(4, "little")
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("seconds", [40, 20_000])
def test_a_header_that_claims_too_much_is_no_reason_for_silence(tmp_path, seconds):
    path = tmp_path / "cut.wav"
    soundfile.write(path, sine(440, 22050, 10.0), 22050, subtype="PCM_16")
    known = audio.read(path)
    claiming(path, seconds)
    np.testing.assert_array_equal(audio.read_middle(path, 3.0), audio.excerpt(known, 22050, 3))


def test_a_clip_that_its_header_promises_and_the_file_lacks_is_an_error(tmp_path, monkeypatch):
    path = tmp_path / "cut.flac"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, 22050 * 40), 22050)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 4])
    with pytest.raises(GenrelibError, match=r"cut or damaged|can't be decoded"):
        audio.read_middle(path, 30.0)
    monkeypatch.setattr(audio, "LONG_S", 20.0)
    with pytest.raises(GenrelibError, match=r"cut or damaged|can't be decoded"):
        audio.read_middle(path, 30.0)


def mp3_that_claims(path, y, seconds):
    """Write an MP3 whose header counts frames of so many seconds."""
    soundfile.write(path, y, 22050, format="MP3")
    content = bytearray(path.read_bytes())
    place = content.find(b"Xing") + 8
    content[place : place + 4] = round(seconds * 22050 / 576).to_bytes(4, "big")
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("held", [30, 50])
def test_a_long_file_that_claims_far_more_than_it_holds_gives_its_true_middle(
    tmp_path, monkeypatch, held
):
    monkeypatch.setattr(audio, "LONG_S", 40.0)
    y = sine(440, 22050, held) * np.linspace(0, 1, 22050 * held)  # its loudness tells the place
    soundfile.write(tmp_path / "honest.mp3", y, 22050)
    whole = audio.read(tmp_path / "honest.mp3")
    lies = mp3_that_claims(tmp_path / "lies.mp3", y, 50_000)
    assert audio.inspect(lies).duration_s > 49_000
    assert audio.held_s(lies) == pytest.approx(held, abs=0.2)
    middle = audio.read_middle(lies, 3.0)
    assert len(middle) == 3 * 22050
    assert middle.std() == pytest.approx(audio.excerpt(whole, 22050, 3.0).std(), rel=0.02)
    with pytest.raises(GenrelibError, match=rf"states .* s, but {held}\.\d s can be decoded"):
        audio.read_middle(lies, held + 5.0)


def test_a_flac_that_claims_far_more_than_it_holds_is_refused_for_that(tmp_path, monkeypatch):
    monkeypatch.setattr(audio, "LONG_S", 40.0)
    path = tmp_path / "lies.flac"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, 22050 * 30), 22050)
    content = bytearray(path.read_bytes())
    content[22:26] = (22050 * 50_000).to_bytes(4, "big")
    path.write_bytes(content)
    for ask in (lambda: audio.read_middle(path, 3.0), lambda: audio.held_s(path)):
        with pytest.raises(GenrelibError, match=r"states 50000\.0 s, but 29\.\d s can be decoded"):
            ask()


@pytest.mark.parametrize(("sr", "channels"), [(1, 1), (3999, 1), (1_000_000, 1), (22050, 33)])
def test_rates_and_channels_that_no_music_has_are_refused(tmp_path, sr, channels):
    path = tmp_path / "odd.wav"
    soundfile.write(path, np.zeros((100, channels)), sr)
    with pytest.raises(GenrelibError, match=f"states {sr} Hz and {channels} channels; read are"):
        audio.inspect(path)

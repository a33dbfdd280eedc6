"""The C library of Opus (RFC 6716), called through cffi: the one inside the `av` wheel, else the system's.

PyAV's own Opus has no loss concealment and no in-band FEC, and leaves `complexity` and `dtx` unset.
"""

import importlib.util
import os
from functools import cache
from pathlib import Path
from typing import Any

import cffi

from bridge.errors import BridgeError

# opus.h and opus_defines.h, the part we call; opus_encoder_ctl is variadic.
DECLARATIONS = """
typedef struct OpusEncoder OpusEncoder;
typedef struct OpusDecoder OpusDecoder;
const char *opus_get_version_string(void);
const char *opus_strerror(int error);
int opus_encoder_get_size(int channels);
OpusEncoder *opus_encoder_create(int32_t rate, int channels, int application, int *error);
int32_t opus_encode_float(OpusEncoder *st, const float *pcm, int frame_size, unsigned char *data, int32_t size);
int opus_encoder_ctl(OpusEncoder *st, int request, ...);
void opus_encoder_destroy(OpusEncoder *st);
OpusDecoder *opus_decoder_create(int32_t rate, int channels, int *error);
int opus_decode_float(OpusDecoder *st, const char *data, int32_t size, float *pcm, int frame_size, int fec);
void opus_decoder_destroy(OpusDecoder *st);
"""
SYSTEM_LIBRARY = "libopus.so.0"

ffi = cffi.FFI()
ffi.cdef(DECLARATIONS)

# NODELETE: codec states may be freed at exit after the interpreter let go of the library.
FLAGS = os.RTLD_NOW | os.RTLD_NODELETE


class LibraryMissingError(BridgeError):
    """No usable libopus on this machine."""

    code = "library_missing"


def wheel_libraries() -> tuple[Path, ...]:
    """Paths of libopus inside the installed `av` wheel, without importing it; its file name has a hash."""
    spec = importlib.util.find_spec("av")
    if spec is None or spec.origin is None:
        return ()
    package = Path(spec.origin).parent
    folders = (package.parent / "av.libs", package / ".dylibs")
    return tuple(path for folder in folders for path in sorted(folder.glob("libopus*")))


@cache
def libopus() -> Any:
    """The loaded library. Raises LibraryMissingError with the places it looked at."""
    tried = [*map(str, wheel_libraries()), SYSTEM_LIBRARY]
    for name in tried:
        try:
            library: Any = ffi.dlopen(name, FLAGS)
            library.opus_get_version_string()
        except (OSError, AttributeError):
            continue
        return library
    raise LibraryMissingError(
        f"no libopus found (looked at {', '.join(tried)}): reinstall the av wheel or install libopus0"
    )


def version() -> str:
    """As the library names itself, for example "libopus 1.6.1"."""
    text = ffi.string(libopus().opus_get_version_string())
    return text.decode() if isinstance(text, bytes) else str(text)

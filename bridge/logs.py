"""How log lines look. The sans-I/O core does not log; its shells do, with the id bound once."""

import logging
import sys

import structlog

from bridge.settings.process import Log


def configure_logs(settings: Log) -> None:
    """One JSON object a line for machines, or coloured lines for people; always on standard error."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if settings.format == "json" else structlog.dev.ConsoleRenderer()
    )
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),  # one write a line
        cache_logger_on_first_use=True,
    )
    # Libraries log through the standard module: warnings and worse only, in the same stream.
    logging.basicConfig(
        level=max(level, logging.WARNING), stream=sys.stderr, format="%(levelname)s %(name)s %(message)s"
    )

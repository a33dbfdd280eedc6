"""What the daemon itself needs: its log, its journal, its media worker, its end."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from bridge.settings.section import Seconds, Section


class Log(Section):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "console"] = "json"


class Journal(Section):
    url: str = "sqlite+aiosqlite:///warmbridge.db"
    synchronous: Literal["NORMAL", "FULL"] = "NORMAL"
    patience_s: Annotated[float, Field(ge=0)] = 30.0
    retention_days: Seconds = 30.0

    @field_validator("url")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if not value.startswith(("sqlite+aiosqlite://", "postgresql+asyncpg://")):
            raise ValueError(
                "write sqlite+aiosqlite:///FILE (an absolute path has four slashes)"
                " or postgresql+asyncpg://USER:PASSWORD@HOST/DATABASE"
            )
        return value


class Worker(Section):
    start_timeout_s: Seconds = 15.0


class Shutdown(Section):
    drain_timeout_s: Annotated[float, Field(ge=0)] = 60.0

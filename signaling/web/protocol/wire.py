"""What all messages of the web door are made of. camelCase comes from the alias generator here and nowhere else."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

Identifier = Annotated[str, Field(min_length=1, max_length=128)]
# A number as people write it, or a SIP URI.
PhoneAddress = Annotated[str, Field(pattern=r"^(\+?[0-9*#][0-9*#(). /\-]{0,62}|sips?:[^\s<>\"]{1,250})$")]
Words = Annotated[str, Field(max_length=512)]
COMMAND_ID_MAX = 2**53 - 1  # the largest integer every JSON parser keeps exactly (RFC 8259 section 6)
CommandId = Annotated[int, Field(ge=0, le=COMMAND_ID_MAX, strict=True)]
ATTRIBUTES_MAX = 64

UserRole = Literal["agent", "sme"]
MediaType = Literal["voice", "video"]

# The bounds of attributes are explained here and kept by the desk, which has an error of its own for each.
AttributeName = Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": 64})]
AttributeValue = Annotated[str, Field(json_schema_extra={"maxLength": 4096})]
Attributes = Annotated[
    dict[AttributeName, AttributeValue], Field(json_schema_extra={"maxProperties": ATTRIBUTES_MAX})
]


class WireModel(BaseModel):
    """A value as it stands on the wire: camelCase, no unknown fields, never changed after it was made."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", frozen=True, validate_by_name=True, validate_by_alias=True
    )

    @classmethod
    def of(cls, value: object) -> Self:
        """The wire's picture of a value with the same names, read off attribute by attribute."""
        return cls.model_validate(value, from_attributes=True)

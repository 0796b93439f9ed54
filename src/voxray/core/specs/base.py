"""What all specs share: frozen, and no unknown key."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
Fraction = Annotated[float, Field(gt=0, lt=1)]


class Spec(BaseModel):
    """A frozen record that is read from and written to YAML or JSON."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

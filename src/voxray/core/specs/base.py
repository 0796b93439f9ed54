"""What all specs share: frozen, and no unknown key."""

from pydantic import BaseModel, ConfigDict


class Spec(BaseModel):
    """A frozen record that is read from and written to YAML or JSON."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

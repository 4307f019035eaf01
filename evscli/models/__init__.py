"""The model families: a folder for each, with all that is of this family alone.

`spec` says what a family consists of, `contract` what its parts must be able to do, `parts` holds
what several families share, and `registry` finds the family of a checkpoint. Nothing outside this
package names a family, and listing families imports neither torch nor transformers.
"""

from evscli.models.registry import family_of, list_families
from evscli.models.spec import FamilySpec

__all__ = ["FamilySpec", "family_of", "list_families"]

"""A bundle's model: the step that judges clips, and whether the parameters are of that model."""

from cad_jax.arrays import listed, shape_faults
from cad_jax.bundle.files import ARRAYS, BundleError, LoadedBundle
from cad_jax.run.compiled import KeptStep
from cad_jax.run.scores import Step


def detector_step(bundle: LoadedBundle) -> KeptStep:
    """Says of each clip what `run.judging.described_scores` does; see `KeptStep`.

    Its first call raises BundleError as `check_parameters`.
    """

    def make() -> Step:
        # Here: where the program is kept, nothing that builds a model is imported.
        from cad_jax.run.judging import described_scores, scoring_step
        from cad_jax.run.placement import make_model

        check_parameters(bundle)
        return scoring_step(make_model(bundle.config), bundle.mesh, described_scores)

    return KeptStep(bundle.model_hash, make)


def check_parameters(bundle: LoadedBundle) -> None:
    """Compares a bundle's parameters with those of its configuration's model.

    Raises:
        BundleError: they have other names or shapes.
    """
    from cad_jax.run.placement import make_model

    theirs = make_model(bundle.config).shapes
    shapes = ({name: tuple(x.shape) for name, x in of.items()} for of in (bundle.params, theirs))
    if faults := shape_faults(*shapes):
        path = bundle.folder / ARRAYS
        raise BundleError(f"{path} is of another model: {listed([*faults.values()])}")

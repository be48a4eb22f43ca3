"""Keeps compiled programs between processes, so that a second start waits for no compiler."""

import jax

from data_pipelines.paths import cache_folder


def keep_compiled() -> None:
    """Keeps what is compiled from here on in the user's cache folder.

    `JAX_COMPILATION_CACHE_DIR` names another one.
    """
    if jax.config.jax_compilation_cache_dir is None:  # pyright: ignore[reportAttributeAccessIssue]
        jax.config.update("jax_compilation_cache_dir", str(cache_folder() / "compiled"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)

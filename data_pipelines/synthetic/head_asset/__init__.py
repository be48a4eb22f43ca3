"""Makes `head.npz` from CC0 MakeHuman data; needed to rebuild the asset, never to use it."""

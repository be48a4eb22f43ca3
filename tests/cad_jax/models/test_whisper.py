import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from cad_jax.models.config import WhisperConfig
from cad_jax.models.lora import Precision
from cad_jax.models.whisper import WhisperEncoder, sinusoids

SMALL = WhisperConfig(mels=16, width=32, depth=2, heads=2, max_tokens=50)


def encoder(config=SMALL):
    return WhisperEncoder(config, precision=Precision(), rngs=nnx.Rngs(0))


def mel(frames, mels=16):
    return np.random.default_rng(0).standard_normal((2, mels, frames)).astype(np.float32)


@pytest.mark.parametrize("frames", [2, 60, 100])
def test_two_mel_frames_a_token(frames):
    tokens = encoder()(jnp.asarray(mel(frames)))
    assert tokens.shape == (2, frames // 2, 32)
    assert tokens.dtype == jnp.float32


def test_positions_are_cropped_not_stretched():
    np.testing.assert_array_equal(sinusoids(100, 32)[:40], sinusoids(40, 32))
    np.testing.assert_allclose(
        sinusoids(3, 4)[2], [np.sin(2), np.sin(2e-4), np.cos(2), 1.0], atol=1e-6
    )


def test_refuses_what_the_positions_do_not_reach():
    with pytest.raises(ValueError, match="102 mel frames; at most 100"):
        encoder()(jnp.asarray(mel(102)))


def test_keys_have_no_bias():
    for block in encoder().blocks:
        assert block.attention.key.bias is None
        assert block.attention.query.bias is not None


def from_torch(state, config):
    """The reference's weights under our names."""
    take = {name: value.numpy() for name, value in state.items()}

    def linear(name):
        bias = {"bias": take[f"{name}.bias"]} if f"{name}.bias" in take else {}
        return {"kernel": take[f"{name}.weight"].T, **bias}

    def conv(name):
        return {"kernel": take[f"{name}.weight"].transpose(2, 1, 0), "bias": take[f"{name}.bias"]}

    def norm(name):
        return {"scale": take[f"{name}.weight"], "bias": take[f"{name}.bias"]}

    ours = {
        "stem": {"conv1": conv("conv1"), "conv2": conv("conv2")},
        "ln_post": norm("layer_norm"),
        "blocks": {},
    }
    for index in range(config.depth):
        block = f"layers.{index}"
        ours["blocks"][index] = {
            "attention_norm": norm(f"{block}.self_attn_layer_norm"),
            "mlp_norm": norm(f"{block}.final_layer_norm"),
            "attention": {
                "query": linear(f"{block}.self_attn.q_proj"),
                "key": linear(f"{block}.self_attn.k_proj"),
                "value": linear(f"{block}.self_attn.v_proj"),
                "out": linear(f"{block}.self_attn.out_proj"),
            },
            "mlp": {"up": linear(f"{block}.fc1"), "down": linear(f"{block}.fc2")},
        }
    return jax.tree.map(jnp.asarray, ours)


def test_equals_whisper():
    torch = pytest.importorskip("torch", reason="parity: pip install cad-jax[parity]")
    pytest.importorskip("transformers", reason="parity: pip install cad-jax[parity]")
    from transformers.models.whisper.modeling_whisper import WhisperConfig as TheirConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder as TheirEncoder

    config = WhisperConfig(mels=80, width=64, depth=3, heads=4)
    torch.manual_seed(0)
    reference = TheirEncoder(
        TheirConfig(num_mel_bins=80, d_model=64, encoder_layers=3, encoder_attention_heads=4,
                    encoder_ffn_dim=256)
    ).eval()  # fmt: skip
    np.testing.assert_allclose(
        reference.embed_positions.weight.detach().numpy(), sinusoids(1500, 64), atol=2e-4
    )
    with torch.no_grad():
        for name, parameter in reference.named_parameters():
            if not name.startswith("embed_positions"):
                parameter.add_(0.1 * torch.randn_like(parameter))
    graphdef, state = nnx.split(encoder(config))
    nnx.replace_by_pure_dict(state, from_torch(reference.state_dict(), config))
    features = mel(3000, 80)
    with torch.no_grad():
        theirs = reference(torch.from_numpy(features)).last_hidden_state.numpy()
    ours = nnx.merge(graphdef, state)(jnp.asarray(features))
    np.testing.assert_allclose(ours, theirs, atol=1e-4)

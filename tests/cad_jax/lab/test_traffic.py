"""Bytes of a small program, against counts by hand."""

import jax
import jax.numpy as jnp

from cad_jax.lab.traffic import Move, moves

# A loop of 5 turns takes a row of [5 8] each turn and writes it into another; then a product.
PROGRAM = """
HloModule step
%taken (p0: f32[5,8], p1: s32[]) -> f32[1,8] {
  %p0 = f32[5,8]{1,0} parameter(0)
  %p1 = s32[] parameter(1)
  %zero = s32[] constant(0)
  ROOT %row = f32[1,8]{1,0} dynamic-slice(%p0, %p1, %zero), dynamic_slice_sizes={1,8}
}
%inner (q0: f32[5,8], q1: s32[]) -> f32[1,8] {
  %q0 = f32[5,8]{1,0} parameter(0)
  %q1 = s32[] parameter(1)
  %deeper = f32[1,8]{1,0} fusion(%q0, %q1), kind=kLoop, calls=%taken
  ROOT %twice = f32[1,8]{1,0} add(%deeper, %deeper)
}
%changed (c0: f32[5,8], c1: f32[1,8], c2: s32[]) -> f32[5,8] {
  %c0 = f32[5,8]{1,0} parameter(0)
  %c1 = f32[1,8]{1,0} parameter(1)
  %c2 = s32[] parameter(2)
  %none = s32[] constant(0)
  ROOT %put = f32[5,8]{1,0} dynamic-update-slice(%c0, %c1, %c2, %none)
}
%body (state: (s32[], f32[5,8], f32[5,8])) -> (s32[], f32[5,8], f32[5,8]) {
  %state = (s32[], f32[5,8]{1,0}, f32[5,8]{1,0}) parameter(0)
  %turn = s32[] get-tuple-element(%state), index=0
  %given = f32[5,8]{1,0} get-tuple-element(%state), index=1
  %made = f32[5,8]{1,0} get-tuple-element(%state), index=2
  %take = f32[1,8]{1,0:S(1)} fusion(%given, %turn), kind=kLoop, calls=%inner, metadata={op_name="jit(f)/take"}
  %store = f32[5,8]{1,0} fusion(%made, %take, %turn), kind=kLoop, calls=%changed, metadata={op_name="jit(f)/store"}
  ROOT %next = (s32[], f32[5,8]{1,0}, f32[5,8]{1,0}) tuple(%turn, %given, %store)
}
%condition (at: (s32[], f32[5,8], f32[5,8])) -> pred[] {
  %at = (s32[], f32[5,8]{1,0}, f32[5,8]{1,0}) parameter(0)
  %counter = s32[] get-tuple-element(%at), index=0
  %five = s32[] constant(5)
  ROOT %less = pred[] compare(%counter, %five), direction=LT
}
ENTRY %main (x: (s32[], f32[5,8], f32[5,8]), w: bf16[8,4]) -> f32[5,4] {
  %x = (s32[], f32[5,8]{1,0}, f32[5,8]{1,0}) parameter(0)
  %w = bf16[8,4]{1,0} parameter(1)
  %loop = (s32[], f32[5,8]{1,0}, f32[5,8]{1,0}) while(%x), condition=%condition, body=%body
  %rows = f32[5,8]{1,0} get-tuple-element(%loop), index=2
  ROOT %out = f32[5,4]{1,0} convolution(%rows, %w), dim_labels=bf_io->bf, metadata={op_name="jit(f)/dot"}
}
"""  # noqa: E501


def test_a_loop_counts_with_its_turns_and_a_slice_with_its_rows():
    turn = 4  # bytes of the counter, which both fusions read
    assert list(moves(PROGRAM)) == [
        Move("jit(f)/take", "fusion", 5 * (8 * 4 + turn)),  # its result stays in fast memory
        Move("jit(f)/store", "fusion", 5 * (8 * 4 + turn)),
        Move("jit(f)/dot", "convolution", 5 * 8 * 4 + 8 * 4 * 2 + 5 * 4 * 4),
    ]


def test_fast_memory_counts_where_it_is_asked_for():
    row, turn = 8 * 4, 4
    taken, stored, _ = moves(PROGRAM, everywhere=True)
    assert taken.size == 5 * (row + turn + row)
    assert stored.size == 5 * (row + turn + row)


def test_a_real_program_moves_at_least_its_weights():
    def f(x, w):
        return jax.lax.scan(lambda x, w: (jnp.tanh(x @ w), None), x, w)[0]

    x, w = jnp.ones((64, 128)), jnp.ones((7, 128, 128))
    program = jax.jit(f).lower(x, w).compile().as_text()
    moved = sum(move.size for move in moves(program))
    assert w.nbytes <= moved <= 6 * w.nbytes

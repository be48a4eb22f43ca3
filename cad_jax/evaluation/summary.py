"""The evaluation report as plain text: one screen a split. What is undefined is `-`."""

from cad_jax.evaluation.figures import Report
from cad_jax.evaluation.score_table import HEADS

MOST_KINDS = 20  # more would not fit on a screen; the JSON file has them all


def render(report: Report) -> str:
    """AUCs by group and head in aligned columns; other figures of p_fake and of sync below."""
    coverage = report["coverage"]
    lines = [
        f"{coverage['scored']} of {coverage['clips']} scored, {coverage['unlabelled']} without a "
        f"label; threshold of p_fake {number(report['threshold'])}",
        *(f"  not scored: {count} x {reason}" for reason, count in coverage["reasons"].items()),
    ]
    lines += aligned(
        [["AUC (95 % interval)", "forged", "genuine", *HEADS], *_rows(report)], numbers=(1, 2)
    )
    if (more := len(report["kinds"]) - MOST_KINDS) > 0:
        lines.append(f"... and {more} kinds more")
    lines += _operating_lines(report["overall"]["p_fake"])
    return "\n".join([*lines, *_original_lines(report), *_sync_lines(report)])


def with_interval(figures: Report, name: str) -> str:
    """E.g. `0.81 (0.77-0.86)`; `-` where it is undefined, `0.81 (-)` where there is no interval."""
    if figures[name] is None:
        return "-"
    low, high = figures[f"{name}_interval"]
    ends = "-" if low is None else f"{number(low)}-{number(high)}"
    return f"{number(figures[name])} ({ends})"


def number(value: float | None) -> str:
    """Two decimals."""
    return "-" if value is None else f"{value:.2f}"


def _rows(report: Report) -> list[list[str]]:
    shown = {"all": report["overall"]} | report["quadrants"]
    shown |= dict(list(report["kinds"].items())[:MOST_KINDS])
    if len(report["datasets"]) > 1:
        shown |= {f"set {name}": group for name, group in report["datasets"].items()}
    return [_row(name, group) for name, group in shown.items()]


def _row(name: str, group: Report) -> list[str]:
    fused = group["p_fake"]
    cells = [with_interval(group[head], "auc") if head in group else "" for head in HEADS]
    return [name, str(fused["fakes"]), str(fused["clips"] - fused["fakes"]), *cells]


def aligned(rows: list[list[str]], numbers: tuple[int, ...]) -> list[str]:
    """Columns padded to their widest cell; those of `numbers` are flush right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def pad(index: int, cell: str) -> str:
        return cell.rjust(widths[index]) if index in numbers else cell.ljust(widths[index])

    return ["  ".join(pad(i, cell) for i, cell in enumerate(row)).rstrip() for row in rows]


def _operating_lines(fused: Report) -> list[str]:
    def figure(name: str) -> str:
        return with_interval(fused, name)

    return [
        f"p_fake: accuracy {figure('accuracy')}, balanced {figure('balanced_accuracy')} at the "
        f"threshold; ECE {figure('calibration_error')}",
        f"        AP {figure('average_precision')}, EER {figure('equal_error_rate')}, TPR "
        f"{figure('tpr_at_fpr_1')} at 1 % FPR, {figure('tpr_at_fpr_10')} at 10 %",
    ]


def _original_lines(report: Report) -> list[str]:
    within = report["within_originals"]
    if not within["comparisons"]:
        return []
    return [
        f"p_fake among clips of one original: AUC {number(within['auc'])} of "
        f"{within['comparisons']} comparisons"
    ]


def _sync_lines(report: Report) -> list[str]:
    return [
        "sync: best offset within one frame of the truth: "
        f"{with_interval(part, 'within_one_frame')} of {part['clips']} {name.replace('_', ' ')}, "
        f"chance {number(part['chance'])}"
        for name, part in report["sync"].items()
        if part["clips"]
    ]

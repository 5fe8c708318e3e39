"""The result of measure.py as a page of Markdown."""

import json

RUNNERS = {
    "bertqa": "`bertqa run`, from file to file",
    "bertqa bench": "bertqa's network alone, full rows of 512",
    "eager": "torch eager, padded",
    "compile": "torch.compile, padded",
}


def markdown(steps):
    found = {step["step"]: step for step in steps if "stopped" not in step}
    lines = ["# bertqa on a device", "", *machine(found)]
    if found.get("machine", {}).get("device_asked") == "cpu":
        lines += ["", "On the processor the kit is only tried: speeds, and shares of a peak, say nothing."]
    models = dict.fromkeys(step["step"].split(":")[0] for step in steps if ":" in step["step"])
    for name in models:
        lines += ["", f"## {name}", "", *speeds(name, found), *waits(name, found), *same(name, found)]
    failures = [f"- {step['step']}: {step['stopped']}" for step in steps if "stopped" in step]
    if failures:
        lines += ["", "## What failed", "", *failures]
    return "\n".join(lines) + "\n"


def machine(found):
    here, windows, peak = (found.get(name, {}) for name in ("machine", "windows", "peak"))
    table = {
        "GPU": "; ".join(here.get("gpu", [])),
        "processor": f"{here.get('processor')}, {here.get('cores')} cores, {here.get('memory_gb')} GB",
        "system": f"{here.get('system')}, glibc {here.get('glibc')}",
        "torch": f"{here.get('torch')}, CUDA {here.get('cuda')}, Python {here.get('python')}",
        "device": here.get("device_asked"),
        "program": found.get("program", {}).get("version"),
    }
    if windows:
        table["rows"] = (
            f"{windows['rows']:,}, in windows of {windows['least_tokens']} to {windows['most_tokens']} tokens, "
            f"{windows['mean_tokens']:.0f} on average"
        )
    if peak:
        sizes = ", ".join(f"{size}: {speed / 1e12:.1f}" for size, speed in peak["by_size"].items())
        table["f16 peak"] = f"{peak['flops'] / 1e12:.1f} TFLOP/s, measured by products of square matrices ({sizes})"
    return ["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in table.items())]


def speeds(name, found):
    lines = [
        "| runner | rows/s | tokens/s | share of the f16 peak | GPU busy | how |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for kind, title in RUNNERS.items():
        step = found.get(f"{name}: {kind}")
        if not step:
            continue
        steady = "steady_" if kind == "bertqa" else ""
        rows, tokens = step.get(f"{steady}rows_per_second"), step.get(f"{steady}tokens_per_second")
        if kind == "bertqa bench":
            tokens = step["shapes"][-1]["tokens_per_second"]
        busy = (step.get("gpu") or {}).get("busy")
        cells = [number(rows), number(tokens), percent(step.get("share_of_peak")), percent(busy and busy / 100)]
        lines.append(f"| {title} | {' | '.join(cells)} | {how(kind, step)} |")
    return [
        *lines,
        "",
        "The share counts what real tokens need, and nothing for padding. bertqa's rows a second are those after its "
        "start; it reads, tokenizes, decodes and writes in that time. The peers' time is that of the network and the "
        "best spans alone: their tokens are made before.",
    ]


def how(kind, step):
    if kind == "bertqa":
        return (
            f"{step['rows']:,} rows in {step['seconds']:.1f} s with its start "
            f"({number(step['rows_per_second'])} rows/s), batches {100 * step['batch_fill']:.1f} % full"
        )
    if kind == "bertqa bench":
        return ", ".join(f"{shape['batch_size']} rows: {shape['milliseconds']:.2f} ms" for shape in step["shapes"])
    order = "as they come" if step["order"] == "given" else "by length"
    return (
        f"{step['windows']:,} windows in {step['seconds']:.1f} s, {step['batch_size']} at a time, {order}; "
        f"{step['warm_up_seconds']:.1f} s to warm up"
    )


def waits(name, found):
    stages = found.get(f"{name}: bertqa", {}).get("stages")
    if not stages:
        return []
    by_name = {stage["stage"]: stage for stage in stages}
    infer = by_name["infer"]["busy_percent"]
    others = [stage for stage in stages if stage["stage"] != "infer"]
    busiest = max(others, key=lambda stage: stage["busy_percent"])
    waiting = (
        f"The device's thread was busy for {infer:.0f} % of the run, and the busiest of the others, "
        f"{busiest['stage']}, for {busiest['busy_percent']:.0f} %: "
    )
    if infer >= busiest["busy_percent"]:
        waiting += "all others waited for the device."
    else:
        waiting += f"the device waited for {busiest['stage']}."
    return [
        "",
        "| stage | threads | busy s | busy % |",
        "| --- | ---: | ---: | ---: |",
        *(
            f"| {stage['stage']} | {stage['threads']} | {stage['busy_seconds']:.2f} | {stage['busy_percent']:.1f} |"
            for stage in stages
        ),
        "",
        waiting,
    ]


def same(name, found):
    step = found.get(f"{name}: same")
    if not step:
        return []
    lines = ["", "| same span | as | rows | share |", "| --- | --- | ---: | ---: |"]
    for pair, figures in step.items():
        if isinstance(figures, dict) and figures["rows"]:
            runner, other = pair.split(", ")
            other = "torch eager f32" if other == "reference" else f"{other} f16"
            lines.append(f"| {runner} | {other} | {figures['rows']:,} | {percent(figures['share'], 2)} |")
    return lines


def number(value):
    return "–" if value is None else f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def percent(share, digits=1):
    return "–" if share is None else f"{100 * share:.{digits}f} %"


if __name__ == "__main__":
    import sys

    with open(sys.argv[1], encoding="utf-8") as file:
        print(markdown([json.loads(line) for line in file]), end="")

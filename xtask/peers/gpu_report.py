"""What a check of a GPU found, for people."""

# Pairs a second of texts of 128 tokens, and what else a GPU is to reach.
GOALS = {
    "cross-6": ("pairs a second, 6 layers, 128 tokens", 50_000),
    "cross": ("pairs a second, 12 layers, 128 tokens", 25_000),
}
PEER = "sentence-transformers"


def line(figure):
    """One figure in one line."""
    step = figure.get("step")
    if step == "speed":
        text = f"{figure['model']}, {figure['set']}, {figure['what']}: {figure['pairs_per_second']:,.0f} pairs/s"
        if "tokens_per_second" in figure:
            text += f", {figure['tokens_per_second']:,.0f} tokens/s"
        text += f", p50 {figure['p50_ms']:.2f} ms, p95 {figure['p95_ms']:.2f} ms, {figure['calls']} calls"
        return _with_settings(text, figure)
    if step == "documents":
        text = f"{figure['model']}, {figure['set']}: {figure['documents_per_second']:,.0f} documents/s"
        return _with_settings(text, figure)
    if step == "parity":
        return (
            f"{figure['what']} of {figure['device']} and {figure['reference']}: differ by {figure['median']:.2e} "
            f"(median), {figure['largest']:.2e} (largest) of {figure['n']}"
        )
    if step == "rerank" and "reference" in figure:
        return (
            f"nDCG@10 of {figure['topics']} topics: {figure['ndcg_at_10']:.4f} on {figure['device']}, "
            f"{figure['ndcg_at_10_of_reference']:.4f} on {figure['reference']}; "
            f"{figure['topics_with_the_same_first_ten']} have the same first ten"
        )
    if step == "rerank":
        return (
            f"nDCG@10 of {figure['topics']} topics: {figure['ndcg_at_10']:.4f}, "
            f"{figure['ndcg_at_10_of_first_stage']:.4f} before; {figure['pairs']} pairs in {figure['seconds']:.2f} s"
        )
    if step == "shares":
        parts = ["tokenize", "upload", "compute", "download"]
        times = {part: figure[f"{part}_ms"] for part in parts}
        whole = sum(times.values()) or 1.0
        shares = ", ".join(f"{part} {time:.2f} ms ({100 * time / whole:.0f} %)" for part, time in times.items())
        return f"{figure['model']}, {figure['set']} on {figure['device']}: {shares}"
    if step == "versions":
        return ", ".join(f"{name} {value}" for name, value in figure.items() if name != "step")
    return str(figure)


def _with_settings(text, figure):
    return f"{text} [{figure['device']}{': ' + figure['settings'] if 'settings' in figure else ''}]"


def report(figures, quick):
    """All figures, with what was to be reached."""
    lines = ["A trial: what counts is that there are figures."] if quick else []
    lines += goals(figures)
    for title, step in [
        ("Parity", "parity"),
        ("Ranking", "rerank"),
        ("Pairs", "speed"),
        ("Documents", "documents"),
        ("Shares of the time", "shares"),
        ("Versions", "versions"),
    ]:
        found = [line(figure) for figure in figures if figure.get("step") == step]
        if found:
            lines += ["", title, *(f"  {one}" for one in dict.fromkeys(found))]
    lines += ["", "Steps"]
    for figure in figures:
        if figure.get("step") == "done":
            memory = f", {figure['gpu_mib']:,.0f} MiB of the GPU" if "gpu_mib" in figure else ""
            busy = f", {figure['gpu_percent']:.0f} % busy at most" if "gpu_percent" in figure else ""
            lines.append(f"  {figure['name']}: {figure['ended']}, {figure['seconds']} s{memory}{busy}")
        elif figure.get("step") == "left out":
            lines.append(f"  {figure['name']}: left out, there was no time")
    return "\n".join(lines) + "\n"


def goals(figures):
    """What was to be reached and what was."""
    speeds = [figure for figure in figures if figure.get("step") == "speed"]
    lines = ["Goals"]
    for figure in figures:
        if figure.get("step") == "done" and "parity" in figure["name"] and figure["ended"] != "well":
            lines.append(f"  {figure['name']} FAILED: what is reached below does not count")

    def best(model, text, peer, one_query=False):
        of = [
            figure
            for figure in speeds
            if (figure["model"], figure["set"]) == (model, text)
            and (figure["device"] == PEER) == peer
            and (figure["what"] == "one query at a time") == one_query
        ]
        return max(of, key=lambda figure: figure["pairs_per_second"], default=None)

    def goal(what, found, wanted, at_least=True):
        if found is None:
            lines.append(f"  {what}: not measured, to be {'more' if at_least else 'less'} than {wanted:,}")
            return
        reached = found >= wanted if at_least else found <= wanted
        lines.append(f"  {what}: {found:,.1f}, {'reached' if reached else 'NOT reached'} ({wanted:,})")

    for model, (what, wanted) in GOALS.items():
        ours, peer = best(model, "128 tokens", False), best(model, "128 tokens", True)
        goal(what, ours and ours["pairs_per_second"], wanted)
        ratio = ours and peer and ours["pairs_per_second"] / peer["pairs_per_second"]
        goal(f"  times {PEER}", ratio, 5)
    call = best("cross", "real lengths", False, one_query=True)
    goal("ms for 100 abstracts and a query, p50", call and call["p50_ms"], 8, at_least=False)
    short = [
        figure["documents_per_second"]
        for figure in figures
        if figure.get("step") == "documents" and figure["device"] != PEER and figure["set"] != "documents"
    ]
    goal("short documents a second", max(short, default=None), 20_000)
    return lines

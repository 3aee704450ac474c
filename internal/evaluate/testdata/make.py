"""Makes the tree of labelled streams and score files that the tests measure. See README.md."""
import json, os, random

random.seed(20260102)
HERE = os.path.dirname(os.path.abspath(__file__))


def segments(n, count, first):
    out, at = [], first
    for _ in range(count):
        at += random.randint(5, n // (count + 1))
        length = random.choice([1, 3, 8, 25])
        if at + length >= n:
            break
        out.append((at, at + length - 1))
        at += length
    return out


def stream(folder, name, n, warm_up, events, features, meta):
    labels = segments(n, events, warm_up - 20)
    os.makedirs(os.path.join(HERE, "tree", folder, "labels"), exist_ok=True)
    os.makedirs(os.path.join(HERE, "scores", folder), exist_ok=True)
    guilty = [random.sample(features, random.randint(1, len(features))) if features and random.random() < 0.8 else [] for _ in labels]
    with open(os.path.join(HERE, "tree", folder, "labels", name + ".csv"), "w") as f:
        f.write("start,end,metrics,note\n")
        for (a, b), g in zip(labels, guilty):
            f.write("%d,%d,%s,\n" % (a, b, ";".join(g)))
    inside = {i: g for (a, b), g in zip(labels, guilty) for i in range(a, b + 1)}
    with open(os.path.join(HERE, "scores", folder, name + ".csv"), "w") as f:
        f.write(",".join(["row", "score", "flag", "severity", *("contrib_" + x for x in features)]) + "\n")
        for i in range(n):
            if random.random() < 0.01:
                continue  # A missing row.
            score = ""
            shares = [""] * len(features)
            if i >= warm_up:
                score = round(min(1, random.random() ** 2 + (0.45 if i in inside and random.random() < 0.5 else 0)), random.choice([1, 2, 4]))
                if features:
                    raw = [random.random() + (0.25 if x in inside.get(i, []) else 0) for x in features]
                    shares = ["%.3f" % (r / sum(raw)) for r in raw]
            flag = int(score != "" and score >= 0.6)
            if random.random() < 0.003:
                flag = 1 - flag
            f.write(",".join(map(str, [i, score, flag, "" if score == "" else round(3 * score + random.random(), 3), *shares])) + "\n")
    meta["streams"][name] = dict(rows=n, evaluate_from=warm_up, **({} if folder != "nab" else {"probation": 60}))


def main():
    for folder, sampling, streams in (("servers", 60, 2), ("nab", None, 3), ("steps", None, 1)):
        meta = dict(set=folder, sampling_seconds=sampling, streams={})
        for k in range(streams):
            features = ["a", "b", "c", "d"] if folder == "servers" else []
            stream(folder, "s%d" % (k + 1), random.choice([300, 420]), 80, 6, features, meta)
        if folder == "steps":
            meta["streams"]["s1"].update(rows=1000, shift_at=150)
            stream(folder, "s1", 1000, 80, 12, [], meta)
            meta["streams"]["s1"].update(shift_at=150)
        with open(os.path.join(HERE, "tree", folder, "meta.json"), "w") as f:
            json.dump(meta, f, indent=1)
            f.write("\n")


main()

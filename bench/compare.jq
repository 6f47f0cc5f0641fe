# Joins lines of several rounds, each with "program" and "round", to results and ratios against $peer.
def median: sort | (.[(length - 1) / 2 | floor] + .[length / 2 | floor]) / 2;
def whole: [.[] | .tokens_per_second[]];
def order: [(if .test == "prefill" then 0 else 1 end), .tokens, .depth];
group_by([.program] + order)
| map(whole as $samples
      | (($samples | median) / (.[0].median // 1)) as $faster # than the first round, whose shares these are
      | .[0] + (.[0] | with_entries(select(.key | IN("read_share", "peak_share", "read_bytes_per_second", "operations_per_second"))
                                    | .value *= $faster))
        + {tokens_per_second: $samples, median: ($samples | median),
                spread: ((($samples | max) - ($samples | min)) / ($samples | median))}
      | del(.round, .processor, .version))
| sort_by(order) as $results
| {results: $results,
   ratios: [$results[] | select(.program == "hadal") as $ours
            | $results[] | select(.program == $peer and .test == $ours.test and .tokens == $ours.tokens and .depth == $ours.depth)
            | {test, tokens, depth, threads, model: $ours.model, peer: $peer,
               ratio: ($ours.median / .median),
               low: (($ours.tokens_per_second | min) / (.tokens_per_second | max)),
               high: (($ours.tokens_per_second | max) / (.tokens_per_second | min))}]}

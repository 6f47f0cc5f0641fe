# Records (an array of {name, record}) as the tables of docs/BENCHMARKS.md.
def number: if . >= 100 then round | tostring elif . >= 10 then (. * 10 | round / 10 | tostring) else (. * 100 | round / 100 | tostring) end;
def percent: (. * 100 | round | tostring) + " %";
def base: sub(".*/"; "") | sub("\\.gguf$"; "");
def what: "\(.test) \(.tokens)" + (if .depth > 0 then " at \(.depth)" else "" end);
def row: "| " + join(" | ") + " |";
def table($head): ($head | row), ($head | map("---") | row), .[];

def ceilings:
    [.[] | select(.record.command // "" | startswith("hadal bench machine")) | .record as $r
     | ($r.results | group_by([.ceiling, .unit]) | sort_by([.[0].unit, .[0].ceiling]) | .[]
        | [.[0].ceiling,
           (sort_by(.threads) | .[0], .[-1] | (if .unit == "s" then "\(.median * 1e6 | number) us" elif .unit == "bytes/s" then "\(.median / 1e9 | number) GB/s" else "\(.median / 1e9 | number) GOP/s" end)
             + " [" + (if .unit == "s" then "\(.samples | min * 1e6 | number) .. \(.samples | max * 1e6 | number)" else "\(.samples | min / 1e9 | number) .. \(.samples | max / 1e9 | number)" end) + "]")] | row)];

# Every test of every model, hadal beside the peers that were measured.
def compared:
    [.[] | select(.record.ratios) | .record] as $records
    | [$records[] | (.ratios[], (.results[] | select(.program == "hadal")))] | group_by([(.model | base), (if .test == "prefill" then 0 else 1 end), .tokens, .depth])
    | map(. as $ratios | .[0] as $r
          | def speed($program): [$records[] | select(.peer == $program or $program == "hadal") | .results[]
                | select(.program == $program and (.model | base) == ($r.model | base) and .test == $r.test and .tokens == $r.tokens and .depth == $r.depth)];
            speed("hadal") as $ours
          | ($ratios | map(select(.ratio)) | min_by(.ratio)) as $best
          | [($r.model | base), ($r | what), "\($ours | map(.median) | add / length | number)",
             (["llama.cpp", "ik_llama.cpp"][] | speed(.) | if length > 0 then .[0].median | number else "-" end),
             (if $best then "**\($best.ratio | number)** [\($best.low | number) .. \($best.high | number)]" else "-" end),
             ($ours[0] | if .read_share then "\(.read_share | percent) of reading" elif .peak_share then "\(.peak_share | percent) of \(.peak)" else "" end)] | row);

# What a peer could not run, in its own words.
def failed:
    [.[].record | .failed // [] | .[] | .model |= base] | group_by([.model, .peer, .reason])
    | map([.[0].model, .[0].peer, (map("`\(.arguments)`") | unique | join(", ")), (.[0].reason | gsub("[|\n]"; " "))] | row);

def alone:
    [.[] | select(.record.command and (.record.command | startswith("hadal bench machine") | not)) | .name as $name | .record.results[]
     | ["[\($name)](../bench/results/\($name).json)", what, "\(.batch)", (.median | number),
        (.tokens_per_second | "\(min | number) .. \(max | number)"),
        (if .median_megabytes_per_second then "\(.median_megabytes_per_second | number) MB/s" elif .read_share then "\(.read_share | percent) of reading" elif .peak_share then "\(.peak_share | percent) of \(.peak)" else "" end)] | row];

(ceilings | if length > 0 then table(["ceiling", "one thread", "all threads"]), "" else empty end),
(compared | if length > 0 then table(["model", "test", "hadal t/s", "llama.cpp", "ik_llama.cpp", "ratio to the best", "share"]), "" else empty end),
(failed | if length > 0 then table(["model", "cannot be run by", "with", "reason"]), "" else empty end),
(alone | if length > 0 then table(["record", "test", "sequences", "tokens/s", "spread", ""]) else empty end)

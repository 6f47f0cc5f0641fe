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

# What of the machine a test uses, against the ceilings that are recorded beside it: those that a run found stored may be of
# a busier hour.
def share($machine):
    def ceiling($name): . as $r | [$machine[] | select(.ceiling == $name and .threads == $r.threads) | .median][0];
    def of($name; $rate; $stored): (ceiling($name) as $most | if $rate and $most then $rate / $most else $stored end) as $part
        | if $part then "\($part | percent) of \(if $name == "read" then "reading" else $name end)" else "" end;
    if .read_share then of("read"; .read_bytes_per_second; .read_share)
    elif .peak_share then of(.peak; .operations_per_second; .peak_share) else "" end;
def machine: [.[] | select(.record.command // "" | startswith("hadal bench machine")) | .record.results[]];

# Every test of every model, hadal beside the peers that were measured.
def compared:
    machine as $machine
    | [.[] | select(.record.ratios) | .record] as $records
    | [$records[] | (.ratios[], (.results[] | select(.program == "hadal")))] | group_by([(.model | base), (if .test == "prefill" then 0 else 1 end), .tokens, .depth])
    | map(. as $ratios | .[0] as $r
          | def speed($program): [$records[] | select(.peer == $program or $program == "hadal") | .results[]
                | select(.program == $program and (.model | base) == ($r.model | base) and .test == $r.test and .tokens == $r.tokens and .depth == $r.depth)];
            speed("hadal") as $ours
          | ($ratios | map(select(.ratio)) | min_by(.ratio)) as $best
          | [($r.model | base), ($r | what), "\($ours | map(.median) | add / length | number)",
             (["llama.cpp", "ik_llama.cpp"][] | speed(.) | if length > 0 then .[0].median | number else "-" end),
             (if $best then "**\($best.ratio | number)** [\($best.low | number) .. \($best.high | number)]" else "-" end),
             ($ours[0] | share($machine))] | row);

# What a peer could not run, in its own words.
def failed:
    [.[].record | .failed // [] | .[] | .model |= base] | group_by([.model, .peer, .reason])
    | map([.[0].model, .[0].peer, (map("`\(.arguments)`") | unique | join(", ")), (.[0].reason | gsub("[|\n]"; " "))] | row);

def alone:
    machine as $machine | [.[] | select(.record.command and (.record.command | startswith("hadal bench machine") | not)) | .name as $name | .record.results[]
     | ["[\($name)](../bench/results/\($name).json)", what, "\(.batch)", (.median | number),
        (.tokens_per_second | "\(min | number) .. \(max | number)"),
        (if .median_megabytes_per_second then "\(.median_megabytes_per_second | number) MB/s" else share($machine) end)] | row];

(ceilings | if length > 0 then table(["ceiling", "one thread", "all threads"]), "" else empty end),
(compared | if length > 0 then table(["model", "test", "hadal t/s", "llama.cpp", "ik_llama.cpp", "ratio to the best", "share"]), "" else empty end),
(failed | if length > 0 then table(["model", "cannot be run by", "with", "reason"]), "" else empty end),
(alone | if length > 0 then table(["record", "test", "sequences", "tokens/s", "spread", ""]) else empty end)

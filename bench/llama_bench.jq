# The tests that a llama-bench has run (-o json) as lines of the form of `hadal bench --json`. The -gp of ik_llama.cpp,
# which times the tokens behind a prompt, is a decode at that depth.
.[]
| (if .n_gen > 0 then {test: "decode", tokens: .n_gen, depth: ((.n_depth // 0) + .n_prompt)}
   else {test: "prefill", tokens: .n_prompt, depth: (.n_depth // 0)} end) as $what
| $what + {
    batch: 1, threads: .n_threads,
    tokens_per_second: [.samples_ns[] | $what.tokens * 1e9 / .],
    model: .model_filename, build: "\(.build_commit) (\(.build_number))", kv_type: .type_k
  }

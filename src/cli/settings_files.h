/* settings_files.h - rows of the table in settings.c, which alone includes this: options of quantize, eval and synth. */
/* clang-format off */
    /* quantize */
    {.name = "type",
     .kind = OPTION_TEXT,
     .argument = "TYPE",
     .commands = QUANTIZE,
     .help =
         "Number format of the matrices: q8_0, q6_k, q5_k, q4_k, q4_0, iq4_xs, q3_k, q2_k, bf16, f16, f32, "
         "or a mix that keeps sensitive tensors better: q2_k_m (llama-quantize's Q2_K), q3_k_s, q3_k_m, "
         "q3_k_l, "
         "q4_k_s, q4_k_m, q5_k_s, q5_k_m; or fp8, DeepSeek's own format with scales of 128 x 128 blocks, in "
         "a "
         "Hugging Face directory. Required."},
    {.name = "output",
     .letter = 'o',
     .kind = OPTION_TEXT,
     .argument = "FILE",
     .commands = QUANTIZE,
     .help = "The GGUF file to write; with --type fp8 the directory. Required."},
    {.name = "override",
     .kind = OPTION_TEXT,
     .argument = "PATTERN=TYPE",
     .repeats = true,
     .commands = QUANTIZE,
     .help =
         "Another format for the matrices whose GGUF name matches PATTERN (*, ? and [...] as in a shell), "
         "such as 'blk.*.ffn_down*=q6_k'; the last match counts."},
    {.name = "no-mtp",
     .kind = OPTION_FLAG,
     .commands = QUANTIZE,
     .help = "Leave the multi-token-prediction modules out."},

    {.name = "imatrix",
     .kind = OPTION_TEXT,
     .argument = "FILE",
     .commands = QUANTIZE,
     .help =
         "The importance matrix, of hadal eval --imatrix or of llama-imatrix: columns whose activations are "
         "large are kept more exactly."},

    /* eval */
    {.name = "perplexity",
     .kind = OPTION_TEXT,
     .argument = "FILE",
     .commands = EVAL,
     .help =
         "The text to predict; - is standard input. It is text alone: no added token is recognised in it."},
    {.name = "ctx",
     .kind = OPTION_INT,
     .low = 2,
     .high = MOST_TOKENS,
     .fallback = "512",
     .argument = "N",
     .commands = EVAL,
     .help = "Tokens of a window. Windows do not overlap, and each is predicted by itself. With --questions: tokens of "
             "question and answer; unset, room for the longest of them."},
    {.name = "chunks",
     .kind = OPTION_INT,
     .low = 1,
     .high = MOST_INT,
     .argument = "N",
     .commands = EVAL,
     .help = "Take the first N windows only."},
    {.name = "scored",
     .kind = OPTION_CHOICE,
     .choices = "half|all",
     .fallback = "half",
     .argument = "half|all",
     .commands = EVAL,
     .help =
         "The tokens of a window that count: half, as llama-perplexity has it, leaves out the first half and "
         "the token behind it, so that every prediction has half a window before it; all leaves out only the "
         "first token."},
    {.name = "no-bos",
     .kind = OPTION_FLAG,
     .commands = EVAL,
     .help = "Windows begin with their own first token even where the tokenizer puts one in front of every "
             "text."},
    {.name = "save-logits",
     .kind = OPTION_TEXT,
     .argument = "FILE",
     .commands = EVAL,
     .help =
         "Store the log-probabilities of the whole vocabulary for each predicted token, 2 bytes each, for "
         "--compare."},
    {.name = "compare",
     .kind = OPTION_TEXT,
     .argument = "FILE|MODEL",
     .names_model = true,
     .commands = EVAL,
     .help =
         "Say how far the predictions are from those of another model, loaded beside this one or stored by "
         "--save-logits. A stored file brings its text along."},
    {.name = "imatrix",
     .kind = OPTION_TEXT,
     .argument = "FILE",
     .commands = EVAL,
     .help = "Write the importance matrix of the text to FILE: for each column of each matrix the squares of "
             "what "
             "it is multiplied by, for each expert by itself. GGUF, as llama.cpp reads and writes it."},

    /* synth */
    {.name = "like",
     .kind = OPTION_TEXT,
     .argument = "NAME",
     .commands = SYNTH | TRAIN,
     .actions = "pretrain",
     .help =
         "The shape of a published model: deepseek-v2-lite, deepseek-v2, deepseek-v2.5, deepseek-v3, "
         "deepseek-r1, deepseek-v3.1, r1-distill-qwen-1.5b, -7b, -14b or -32b, r1-distill-llama-8b or -70b."},
    {.name = "config",
     .kind = OPTION_TEXT,
     .argument = "FILE",
     .commands = SYNTH | TRAIN,
     .actions = "pretrain",
     .help = "The shape as a config.json."},
    {.name = "layers",
     .kind = OPTION_INT,
     .low = 1,
     .high = 1000,
     .argument = "N",
     .commands = SYNTH,
     .help = "Write only the first N layers. Unset: all of them."},
    {.name = "type",
     .kind = OPTION_TEXT,
     .fallback = "bf16",
     .argument = "TYPE",
     .commands = SYNTH,
     .help = "Number format of the weights: f32, f16, bf16 and fp8 for directories; f32, f16, bf16, q8_0, "
             "q4_k, the mix q4_k_m and so on for GGUF, where norms and routers stay f32."},
    {.name = "seed",
     .kind = OPTION_INT,
     .high = MOST_INT,
     .fallback = "1",
     .argument = "S",
     .commands = SYNTH,
     .help = "Seed of the weights; the same seed gives the same file."},
    {.name = "output",
     .letter = 'o',
     .kind = OPTION_TEXT,
     .argument = "PATH",
     .commands = SYNTH,
     .help =
         "What to write: a name that ends in .gguf makes a GGUF file, any other a Hugging Face directory. "
         "Required."},


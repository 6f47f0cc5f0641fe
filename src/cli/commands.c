/* commands.c - the table of subcommands: what each runs and what --help says about it. */
#include "cli/commands.h"

static const struct command_row rows[COMMAND_COUNT] = {
    [COMMAND_CHAT] =
        {
            .run = command_chat,
            .arguments = "[-m MODEL] [options]",
            .summary = "talk to a model in the terminal",
            .description = "Answers appear word by word. Where the model reasons first, its reasoning is "
                           "shown dim, and /think "
                           "folds or unfolds it. Ctrl-C stops the answer and keeps the conversation; Ctrl-D "
                           "at the prompt ends "
                           "the program. /help lists the commands that a line can begin with: /think, "
                           "/system, /save, /load, "
                           "/stats and so on. Lines are edited with the usual keys and kept between runs.\n\n"
                           "When standard input or output is not a terminal, every line of input is one "
                           "message or command, "
                           "and only the answers are printed. A line that ends in a backslash goes on in the "
                           "next, and what stands between two lines of \"\"\" is one message; a message that "
                           "begins with a slash is written with two.\n\n"
                           "What is typed is text: control tokens in it have no effect.",
            .examples = "Talk to a model in a directory:\n"
                        "hadal chat -m ~/models/DeepSeek-R1-Distill-Qwen-1.5B\n"
                        "Answer one question from a script:\n"
                        "echo 'What is the capital of Peru?' | hadal chat -m model.gguf --thinking off\n"
                        "A system message, and answers that are the same every time:\n"
                        "hadal chat -m model.gguf --system 'Answer in French.' --temperature 0",
        },
    [COMMAND_GENERATE] =
        {
            .run = command_generate,
            .arguments = "[-m MODEL] (-p TEXT | --prompt-file FILE | --ids IDS) [options]",
            .summary = "continue a prompt",
            .description = "Prints the continuation of a prompt as it comes. Without --chat the text goes to "
                           "the model as it is, "
                           "behind the token that begins every text where the tokenizer asks for it; with "
                           "--chat it becomes one user "
                           "message of the model's chat template.\n\n"
                           "With --json, one object with prompt_ids, ids, text, finish_reason and timings is "
                           "printed at the end.",
            .examples = "Continue a text by 100 tokens:\n"
                        "hadal generate -m MODEL -p 'ROMEO:' -n 100\n"
                        "Ask a question, the same answer every time:\n"
                        "hadal generate -m MODEL --chat -p 'Why is the sky blue?' --temperature 0\n"
                        "Ids in, JSON out:\n"
                        "hadal generate -m MODEL --ids 5,6,7 -n 16 --json\n"
                        "A prompt from another program, up to the first empty line:\n"
                        "fortune | hadal generate -m MODEL --prompt-file - --stop $'\\n\\n'",
        },
    [COMMAND_LOGITS] =
        {
            .run = command_logits,
            .arguments = "[-m MODEL] --ids IDS -o FILE [options]",
            .summary = "write the logits of a list of tokens",
            .description =
                "Runs the model over the ids and writes what it predicts behind each of them, as a NumPy "
                "array: float32 [tokens, vocabulary], .npy version 1, C order. For comparing with other "
                "software, number by number.",
            .examples = "Every row:\n"
                        "hadal logits -m MODEL --ids 5,6,7 -o logits.npy\n"
                        "The prediction behind the last token only, by scalar code:\n"
                        "hadal logits -m MODEL --ids 5,6,7 -o last.npy --last --cpu scalar",
        },
    [COMMAND_TOKENIZE] =
        {
            .run = command_tokenize,
            .arguments = "[-m MODEL] [options] < TEXT",
            .summary = "turn text into token ids",
            .description =
                "Reads text from standard input and prints its ids as a JSON array on one line. Added "
                "tokens in the text (such as <think>) are recognised as the reference tokenizers do, "
                "unless --plain is given. Nothing is put in front of the text. Only the tokenizer files "
                "of MODEL are read.",
            .examples = "Count the tokens of a file:\n"
                        "hadal tokenize -m MODEL < book.txt | tr , '\\n' | wc -l",
        },
    [COMMAND_DETOKENIZE] =
        {
            .run = command_detokenize,
            .arguments = "[-m MODEL] [options] < IDS",
            .summary = "turn token ids into text",
            .description =
                "Reads a JSON array of ids from standard input and writes the bytes that they stand for. "
                "Only the tokenizer files of MODEL are read.",
            .examples = "There and back:\n"
                        "hadal tokenize -m MODEL < book.txt | hadal detokenize -m MODEL | cmp - book.txt",
        },
    [COMMAND_RENDER] =
        {
            .run = command_render,
            .arguments = "(-m MODEL | --template NAME) [options] MESSAGES",
            .positionals = 1,
            .summary = "print the prompt that a conversation becomes",
            .description =
                "Reads messages as the chat API takes them, a JSON array of objects with role and content, "
                "or an object with messages and tools, from the file MESSAGES (- is standard input), and "
                "prints the prompt string of the chat template. With --template no model is needed.",
            .examples = "The prompt of R1 for a conversation:\n"
                        "hadal render --template deepseek-r1 messages.json\n"
                        "A checkpoint's own template, with functions to call, without reasoning:\n"
                        "hadal render -m MODEL --tools tools.json --thinking off messages.json",
        },
    [COMMAND_INSPECT] =
        {
            .run = command_inspect,
            .arguments = "MODEL [options]",
            .positionals = 1,
            .summary = "say what a checkpoint is",
            .description =
                "Prints architecture, sizes, parameters in total and active for one token, bytes, bytes of "
                "cache for one token, and the tensors. A config.json alone is enough for all but the "
                "bytes on disk.",
            .examples = "Look at a model:\n"
                        "hadal inspect ~/models/DeepSeek-V2-Lite\n"
                        "Its parameters, for a script:\n"
                        "hadal inspect config.json --json | jq .parameters",
        },
    [COMMAND_QUANTIZE] =
        {
            .run = command_quantize,
            .arguments = "MODEL -o FILE --type TYPE [options]",
            .positionals = 1,
            .summary = "convert a model to a GGUF file of another number format",
            .description =
                "Reads a Hugging Face directory (F32, F16, BF16 or FP8 with scales) or a GGUF file and "
                "writes one GGUF file, tokenizer and chat template included. Matrices take the format; "
                "norms, biases and routers are F32. A matrix whose rows are no whole blocks of the format "
                "takes the nearest one that fits, and the key and value halves of latent attention are Q5_0 "
                "or BF16, in which other programs can multiply them. The mixes keep the most sensitive "
                "tensors in better formats, the same ones as llama-quantize. What has its format already is "
                "copied.\n\n"
                "--type fp8 writes a Hugging Face directory instead, in the format that DeepSeek publishes: "
                "matrices in e4m3 with a scale for each 128 x 128 block, the rest in BF16.\n\n"
                "At the end, every format is reported with its tensors, its bytes and how far its values "
                "are from the source's: the root of the mean square error relative to the values' own.",
            .examples = "V3 as it is published, in 4 bits:\n"
                        "hadal quantize DeepSeek-V3 --type q4_k_m -o v3-q4_k_m.gguf\n"
                        "Experts in 4 bits, everything else in 8:\n"
                        "hadal quantize MODEL --type q8_0 --override 'blk.*_exps.weight=q4_k' -o mixed.gguf",
        },
    [COMMAND_EVAL] =
        {
            .run = command_eval,
            .arguments = "[-m MODEL | --url URL] (--perplexity FILE | --compare FILE | --questions FILE | "
                         "--results RUN) [options]",
            .summary = "measure how well a model predicts a text or answers questions",
            .description =
                "The text is cut into windows of --ctx tokens, and perplexity is e to the mean negative "
                "log-probability of the tokens in the second half of each, with its standard error: what "
                "llama-perplexity reports, window by window. Where the tokenizer puts a token in front of "
                "every "
                "text, that stands in for the first token of each window.\n\n"
                "With --compare, another model's predictions of the same tokens are the base: the mean, "
                "median "
                "and percentiles of the Kullback-Leibler divergence from them in nats, how often both hold "
                "the "
                "same token likeliest, and the ratio of the perplexities with an error that knows that both "
                "are of one text. The other model is loaded beside this one, or its predictions come from a "
                "file that --save-logits stored; a file of another tokenizer or text is refused.\n\n"
                "--imatrix collects what hadal quantize --imatrix weighs columns with.\n\n"
                "With --questions, the model answers each question -k times, many at once, and verifiers "
                "judge "
                "the answers. pass@1 is the mean over questions of the share of right answers, cons@k the "
                "share of questions whose most frequent answer is right, each with its 95 % interval; "
                "pass@2, "
                "@4 and so on are unbiased. An answer depends on the question, its number and --seed alone: "
                "not on what is asked beside it, and not on how often a run was killed and begun again. "
                "docs/EVAL.md has the forms of questions and of recorded runs.\n\n"
                "--results reports a recorded run again. Two are compared question by question: a bootstrap "
                "interval of the difference of pass@1, and McNemar's exact test of answers or majorities.",
            .examples =
                "Perplexity of a text:\n"
                "hadal eval -m MODEL --perplexity wiki.test.raw\n"
                "What quantising cost:\n"
                "hadal eval -m model-q4_k_m.gguf --perplexity wiki.test.raw --compare MODEL\n"
                "The same in two steps, when both do not fit at once:\n"
                "hadal eval -m MODEL --perplexity wiki.test.raw --save-logits base.logits\n"
                "hadal eval -m model-q4_k_m.gguf --compare base.logits\n"
                "An importance matrix:\n"
                "hadal eval -m MODEL --perplexity calibration.txt --imatrix model.imatrix\n"
                "hadal quantize MODEL --type q4_k_m --imatrix model.imatrix -o model-q4_k_m.gguf\n"
                "AIME as the R1 paper measures it, with a run that can be interrupted:\n"
                "hadal eval -m MODEL --questions aime_2024.jsonl -k 64 -o aime.run\n"
                "The same questions to a server:\n"
                "hadal eval --url http://127.0.0.1:8000/v1 --questions aime_2024.jsonl -o server.run\n"
                "Is a quantised model worse?\n"
                "hadal eval --results bf16.run --results q4_k_m.run",
        },
    [COMMAND_SYNTH] =
        {
            .run = command_synth,
            .arguments = "(--like NAME | --config FILE) -o PATH [options]",
            .summary = "write a checkpoint of random weights",
            .description =
                "Makes a checkpoint with the shape of a published model, or of any config.json, and random "
                "weights: for measuring speed and memory without a download. It runs like the real one; "
                "what it says is noise.",
            .examples = "V2-Lite in 8 bits as one GGUF file:\n"
                        "hadal synth --like deepseek-v2-lite --type q8_0 -o v2-lite.gguf\n"
                        "The first four layers of V3 as it is published, in FP8:\n"
                        "hadal synth --like deepseek-v3 --layers 4 --type fp8 -o v3-short",
        },
    [COMMAND_TRAIN] =
        {
            .run = command_train,
            .arguments = "ACTION [options]",
            .positionals = 9,
            .summary = "train a model: pretraining, tuning, rewards, distillation",
            .description =
                "RUN/latest is a Hugging Face directory that every other command takes as MODEL, and whose "
                "logits are those of the trainer, bit for bit. RUN/metrics.jsonl has a line for each step, "
                "and "
                "TensorBoard finds the same in RUN. A run that was interrupted in any way goes on with "
                "--resume auto, as if it had not been. docs/TRAIN.md goes through all of it.",
            .examples =
                "A tokenizer that reads numbers digit by digit:\n"
                "hadal train tokenizer --data texts --vocab 1024 --digits 1 -o TOK\n"
                "Pretraining, with the shape in small.json:\n"
                "hadal train pretrain --config small.json --tokenizer TOK --data texts -o base\n"
                "Conversations:\n"
                "hadal train sft --init base/latest --data chats.jsonl --template deepseek-r1 -o tuned\n"
                "Reinforcement learning on questions with numbers for answers:\n"
                "hadal train grpo --init tuned/latest --data questions.jsonl --verifier numeric -o better",
        },
    [COMMAND_CHECK] =
        {
            .run = command_check,
            .arguments = "[options]",
            .summary = "check every kernel on this processor",
            .description =
                "Compares every kernel at every level of instructions that this processor has with the "
                "scalar reference on random inputs, and says what the machine offers. The exit status is "
                "1 when a kernel is outside its bound.",
            .examples = "Is this machine all right?\n"
                        "hadal check\n"
                        "One family of kernels, with its speed:\n"
                        "hadal check --function dot_tile --bench",
        },
    [COMMAND_BENCH] =
        {
            .run = command_bench,
            .arguments = "[model] [-m MODEL] | machine | kernels | attention | plot RECORDS... -o FILE",
            .positionals = 256,
            .summary = "measure the speed of a model, of a server or of this machine",
            .description =
                "Measures how fast prompts are read (prefill), tokens are generated (decode) and text is "
                "tokenized. Every test runs once to warm up, then --repeat times; the median is reported "
                "beside the samples, and what share it is of what the machine can do. With --json each "
                "test is one object on a line of its own.\n\n"
                "machine measures what this machine can do at most, with one thread and with all: reading "
                "and "
                "copying memory, multiplying in each number format, waking threads. It keeps the result as "
                "hadal/machine.json in the user's cache directory; other commands use it, or measure briefly "
                "themselves where it is missing. It also measures the kernels, for hadal plan fit --hardware "
                "this.\n\n"
                "kernels multiplies one matrix of each number format with 1 to 512 rows; attention runs the "
                "attention of one layer. Both need no model.\n\n"
                "load measures a server of any make that speaks OpenAI's API: users who ask in a closed or "
                "open "
                "loop, how long they wait for the first token and between tokens, tokens and requests a "
                "second, requests within limits, cached tokens, failures by kind. It asks two short "
                "questions first, "
                "to learn how long a text is in the server's tokens.\n\n"
                "plot reads records, lines of --json or files that the scripts in bench/ write, and draws "
                "speed "
                "over depth, speed over batch size and ratios between programs as SVG.",
            .examples = "A prompt of 512 tokens, then 64 generated ones:\n"
                        "hadal bench -m MODEL\n"
                        "Decoding alone, at two depths of context and two batch sizes, as JSON:\n"
                        "hadal bench -m MODEL -p 0 -d 0,4096 -b 1,8 --json\n"
                        "What this machine can do:\n"
                        "hadal bench machine\n"
                        "Attention with the heads of V3 and a cache of 8 bits:\n"
                        "hadal bench attention --like deepseek-v3 --kv-type q8_0 -d 4096 -b 1,8\n"
                        "A server with 1, 4 and 16 users, conversations of three turns that begin alike:\n"
                        "hadal bench load --url http://127.0.0.1:8000/v1 --users 1,4,16 --turns 3 "
                        "--shared-share 0.5\n"
                        "A picture of what was measured:\n"
                        "hadal bench plot bench/results/*.json -o speed.svg",
        },
    [COMMAND_SERVE] =
        {
            .run = command_serve,
            .arguments = "[-m MODEL] [options]",
            .summary = "answer over HTTP as DeepSeek's API does",
            .description =
                "Serves one model to many clients at once, under the paths, fields and errors of DeepSeek's "
                "API, so that its clients and those of OpenAI work by changing their base URL: "
                "/chat/completions and /completions, also under /v1 and /beta, /models, /user/balance, "
                "/tokenize, /detokenize, /health, and /metrics for Prometheus.\n\n"
                "Requests share every step of the model; how many run at once is --parallel, and others "
                "wait their turn. The first SIGTERM or Ctrl-C lets running answers end, the second ends "
                "them.\n\n"
                "Each request is a line of JSON on standard error, without its text.",
            .examples = "Serve on this machine, port 8000:\n"
                        "hadal serve -m model.gguf\n"
                        "Ask it:\n"
                        "curl http://127.0.0.1:8000/v1/chat/completions -d '{\"model\": \"deepseek-chat\", "
                        "\"messages\": [{\"role\": \"user\", \"content\": \"Hello\"}]}'\n"
                        "For other machines, with keys and TLS:\n"
                        "hadal serve -m model.gguf --host 0.0.0.0 --api-keys keys.txt --tls-cert chain.pem "
                        "--tls-key key.pem",
        },
    [COMMAND_PLAN] =
        {
            .run = command_plan,
            .arguments = "fit MODEL | serve [MODEL] | train [MODEL] | preset [NAME] | hardware | prices",
            .positionals = 2,
            .summary = "work out what a deployment takes and costs",
            .description =
                "A plan is a sheet of stated inputs and of formulas over them (docs/PLAN.md). "
                "Every input has its "
                "source, and --set gives it another value; --formulas prints how each result "
                "comes about, --html "
                "makes a page that computes again whenever an input is changed in it.\n\n"
                "fit says what a model takes in memory, which type of weights fits which machine, and how "
                "fast it "
                "would run by the machine's roofline. MODEL is a published model's name, V3.2 and V4 among "
                "them, a directory, a "
                "config.json or a .gguf file; nothing but its description is read.\n\n"
                "serve goes from users and tokens to machines, power, cost for a million tokens, revenue and "
                "margin; train from tokens and parameters to device-hours, days and money, rented and owned. "
                "Both "
                "take deepseek-v3 on H800 where nothing else is said.\n\n"
                "preset derives figures that others published, says whether they come out, and "
                "what does not add "
                "up. Without a name it lists them.\n\n"
                "hardware and prices print the tables that plans draw from.",
            .examples = "Which machines hold V3, and in which format:\n"
                        "hadal plan fit deepseek-v3\n"
                        "How fast a 32B model would be here:\n"
                        "hadal plan fit r1-distill-qwen-32b --hardware this --type q4_k_m\n"
                        "A service for ten million users at R1's prices:\n"
                        "hadal plan serve --set users=10e6 --price r1\n"
                        "What training DeepSeek-V3 cost:\n"
                        "hadal plan preset v3-training\n"
                        "The day of 545 %, at another rent, with all formulas:\n"
                        "hadal plan preset day --set price=3 --formulas\n"
                        "As a page to change figures in:\n"
                        "hadal plan preset guotai-junan --html > plan.html",
        },
    [COMMAND_PULL] =
        {
            .run = command_pull,
            .arguments = "ORG/NAME[@REVISION] [options]",
            .positionals = 1,
            .summary = "fetch a model from a hub",
            .description =
                "Fetches what hadal needs of a model (configuration, tokenizer, weights in safetensors or "
                "GGUF) from a hub of Hugging Face's kind into the cache that huggingface_hub uses too, and "
                "prints where it lies. Every command then takes its name: -m ORG/NAME, or ORG/NAME/FILE for "
                "one of several .gguf files.\n\n"
                "Files come in ranges, several at once. Whatever ends a pull, the next one goes on from what "
                "is there; every file is checked against the checksum that the hub lists, and a snapshot "
                "appears when all of it is right. Proxies are those of the environment.",
            .examples = "A model:\n"
                        "hadal pull deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B\n"
                        "A talk with it:\n"
                        "hadal chat -m deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B\n"
                        "One of many GGUF files:\n"
                        "hadal pull ORG/NAME-GGUF --include '*Q4_K_M*'\n"
                        "What would come, from a mirror:\n"
                        "hadal pull ORG/NAME --dry-run --hub https://hub.example",
        },
    [COMMAND_ACCOUNT] =
        {
            .run = command_account,
            .arguments = "ACTION [arguments] [options]",
            .positionals = 16,
            .summary = "keep accounts, keys, balances and prices of a server",
            .description =
                "Who may use a server, what they have, what things cost and what was charged "
                "(docs/ACCOUNTS.md). "
                "Everything can be done while the server runs.\n\n"
                "Accounts: add NAME, list, set NAME, balance NAME, topup NAME AMOUNT, grant NAME AMOUNT, "
                "withdraw NAME "
                "AMOUNT. Keys: key add NAME, key list, key revoke ID. Codes for topping up: code make "
                "AMOUNT, code list, "
                "code redeem NAME CODE. Groups of accounts: group set NAME MULTIPLIER, group list.\n\n"
                "Prices: prices set NAME, prices list, prices show. quote explains a bill: quote ID that of "
                "a request, "
                "quote --hit N --miss N --output N that of tokens.\n\n"
                "Reports: usage, charges, ledger, and audit, which makes every sum of the ledger a second "
                "time and fails "
                "where one is wrong. Settings: setting set topups off stops top-ups and keeps serving; "
                "setting set webhook "
                "URL is called when a balance falls below an account's --warn-below.",
            .examples = "DeepSeek's prices of spring 2025, an account with 10 dollars and a key for it:\n"
                        "hadal account prices set deepseek-2025-02\n"
                        "hadal account add alice\n"
                        "hadal account topup alice 10\n"
                        "hadal account key add alice --name laptop\n"
                        "What would this have cost at night?\n"
                        "hadal account quote --prices deepseek --model deepseek-reasoner --time "
                        "2025-03-10T18:00Z --miss "
                        "1000 --output 5000\n"
                        "Usage of a month by model, for a spreadsheet:\n"
                        "hadal account usage --by model --since 2026-11-01 --until 2026-12-01 --csv",
        },
};

const struct command_row *command_rows(void) {
    return rows;
}

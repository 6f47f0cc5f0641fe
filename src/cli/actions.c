/* actions.c - the table of actions: what `hadal COMMAND ACTION` does and what --help says about it. Which options an
 * action takes is said by their rows. */
#include "cli/commands.h"

#include <string.h>

#define TUNED "--init MODEL --data PATH -o RUN"

static const struct action_row rows[] = {
    {
        .command = COMMAND_TRAIN,
        .name = "pretrain",
        .arguments = "(--config FILE | --like NAME | --init MODEL) --tokenizer PATH --data PATH -o RUN",
        .summary = "learn to continue texts, from nothing or from a model",
        .description =
            "Learns to continue texts: a model of any known architecture (DeepSeek V3 and V2, Qwen2, Llama), "
            "from random weights or from --init, in 32-bit floats. Texts are packed into sequences and do "
            "not see each other. Of V3 there are the routers' biases, which even out the experts' load, the "
            "balance loss, and multi-token prediction.",
        .examples =
            "Is this feasible here, and how long would it take?\n"
            "hadal train pretrain --config small.json --tokenizer TOK --data texts --steps 2000 --dry-run\n"
            "Train:\n"
            "hadal train pretrain --config small.json --tokenizer TOK --data texts -o run\n"
            "Let it write:\n"
            "hadal generate -m run/latest -p 'Once upon'\n"
            "Go on where a run was interrupted:\n"
            "hadal train pretrain --config small.json --tokenizer TOK --data texts -o run --resume auto\n"
            "The same by several processes, to the same bits (of a build with MPI=1):\n"
            "mpirun -n 2 hadal train pretrain --config small.json --tokenizer TOK --data texts --micro-batch "
            "4 "
            "-o run\n"
            "A longer context for a model that is there, with its YaRN settings in the new config.json:\n"
            "hadal train pretrain --init run/latest --config longer.json --data books --sequence 4096 -o "
            "long",
    },
    {
        .command = COMMAND_TRAIN,
        .name = "sft",
        .arguments = TUNED,
        .summary = "learn the answers of conversations",
        .description =
            "Goes on from --init with conversations, of which it learns the answers alone: with the "
            "reasoning "
            "in \"reasoning_content\", by the model's own template. Conversations stay whole, as many in a "
            "sequence as fit.",
        .examples = "Learn how to answer, and keep what does best on conversations that are not learnt:\n"
                    "hadal train sft --init run/latest --data chats.jsonl --valid held-out.jsonl --keep-best "
                    "-o tuned",
    },
    {
        .command = COMMAND_TRAIN,
        .name = "grpo",
        .arguments = TUNED " [--verifier NAME]",
        .summary = "learn from rewards of one's own answers",
        .description =
            "Asks --init the prompts of --data, rewards the answers by what --verifier or the lines say, and "
            "makes the better ones of each group likelier. Sampler and trainer compute the same bits: before "
            "the first update of a step every ratio of probabilities is exactly 1. It says in words when "
            "there is nothing to learn from.",
        .examples =
            "Questions with numbers for answers:\n"
            "hadal train grpo --init run/latest --data questions.jsonl --verifier numeric -o better\n"
            "How reward, length and accuracy went:\n"
            "hadal train plot better -o better.svg\n"
            "The same by several processes, to the same bits (of a build with MPI=1):\n"
            "mpirun -n 2 hadal train grpo --init run/latest --data questions.jsonl --verifier numeric -o "
            "better",
    },
    {
        .command = COMMAND_TRAIN,
        .name = "distill",
        .arguments = TUNED " --teacher MODEL",
        .summary = "learn a teacher's whole distribution over one's own answers",
        .description =
            "Lets --init answer the prompts of --data itself and draws each of its tokens to the whole "
            "distribution of --teacher, which has the same vocabulary.",
        .examples = "A student of a larger model of the same family:\n"
                    "hadal train distill --init small --teacher large --data prompts.jsonl -o student",
    },
    {
        .command = COMMAND_TRAIN,
        .name = "sample",
        .arguments = "--teacher (MODEL | URL) --data PATH -o FILE",
        .summary = "keep a teacher's right answers, for sft",
        .description =
            "Lets --teacher answer the prompts of --data and writes the answers that are right, once each, "
            "to the file of -o, which sft takes: so a small model learns from a large one.",
        .examples =
            "Sixteen tries at each problem, four right ones at most kept:\n"
            "hadal train sample --teacher R1 --data problems.jsonl --verifier boxed --group 16 --most "
            "4 -o right.jsonl\n"
            "The same of a server:\n"
            "hadal train sample --teacher https://api.deepseek.com/v1 --model-name deepseek-reasoner "
            "--api-key KEY --data problems.jsonl --verifier boxed -o right.jsonl\n"
            "What the student makes of them:\n"
            "hadal train sft --init small --data right.jsonl -o student",
    },
    {
        .command = COMMAND_TRAIN,
        .name = "merge",
        .arguments = "--init MODEL --adapter DIR -o DIRECTORY",
        .summary = "add adapters to the model that they were learnt for",
        .description =
            "Writes --init, a Hugging Face directory, once more with the adapters of --adapter (LoRA, as "
            "PEFT keeps them) added to its matrices: a model like any other, in bf16 or what "
            "torch_dtype says.",
        .examples =
            "Tune a large model's adapters in little memory:\n"
            "hadal train sft --init R1-Distill-Qwen-1.5B --data chats.jsonl --lora 16 --recompute -o run\n"
            "Make one model of both:\n"
            "hadal train merge --init R1-Distill-Qwen-1.5B --adapter run/latest -o tuned",
    },
    {
        .command = COMMAND_TRAIN,
        .name = "tokenizer",
        .arguments = "--data PATH --vocab N -o DIRECTORY",
        .summary = "make a byte-level BPE tokenizer of texts",
        .description = "Learns from --data which bytes often stand together, until there are --vocab tokens, "
                       "and writes tokenizer.json and tokenizer_config.json into the directory of -o.",
        .examples = "A small one that reads numbers digit by digit:\n"
                    "hadal train tokenizer --data texts --vocab 1024 --digits 1 -o TOK",
    },
    {
        .command = COMMAND_TRAIN,
        .name = "plot",
        .arguments = "RUN... -o FILE",
        .summary = "draw the curves of runs",
        .description = "Draws the curves of up to eight runs as SVG: loss, rate, lengths, rewards and "
                       "whatever else their metrics.jsonl have.",
        .examples = "Two runs in one picture:\n"
                    "hadal train plot run control -o both.svg",
    },
};

const struct action_row *action_rows(int *count) {
    *count = (int)COUNT_OF(rows);
    return rows;
}

const struct action_row *action_find(enum command command, const char *name) {
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (rows[i].command == command && !strcmp(rows[i].name, name)) return &rows[i];
    return NULL;
}

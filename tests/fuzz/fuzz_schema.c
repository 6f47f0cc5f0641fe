/* Fuzz target: JSON schemas to grammars; what comes out is followed for a while by the bytes that it allows. Any input must
 * end in a grammar that leads to its end from everywhere, or a sentence. */
#include "base/json.h"
#include "support/grammar_end.h"
#include "text/json_grammar.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* The allowed byte that the input picks at each step: no way may lead nowhere. */
static void follow(const struct grammar *grammar, const uint8_t *data, size_t bytes) {
    struct matcher matcher;
    MUST(matcher_open(&matcher, grammar) == STATUS_OK);
    MUST(matcher.set.places > 0 || matcher.set.ended);
    for (size_t step = 0; step < 200 && matcher.set.places > 0; step++) {
        if (step % 8 == 0) check_grammar_end(&matcher);
        if (matcher.failed) break;
        const struct place place = matcher.set.place[data[step % bytes] % matcher.set.places];
        const struct byte_set *set = &grammar->set[grammar->node[place.node].other];
        int byte = data[(step * 7 + 1) % bytes];
        for (int tries = 0; tries < 256 && !byte_set_has(set, (unsigned char)byte); tries++)
            byte = (byte + 1) & 255;
        if (!byte_set_has(set, (unsigned char)byte)) break;
        const char text = (char)byte;
        if (matcher_push(&matcher, &text, 1)) continue;
        MUST(matcher.failed); /* more ways to go on than are followed */
        break;
    }
    matcher_close(&matcher);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    json_t *schema;
    struct grammar *grammar;
    if (bytes == 0 || json_parse((const char *)data, bytes, "fuzz", &schema) != STATUS_OK) return 0;
    if (schema_grammar(&grammar, schema, "fuzz") == STATUS_OK)
        follow(grammar, data, bytes);
    else
        MUST(*status_message() && !grammar);
    grammar_close(grammar);
    json_decref(schema);
    return 0;
}

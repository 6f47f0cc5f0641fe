/* Fuzz target: lists of prices. Any input must end in a list that answers questions, or in a sentence. */
#include "server/account/bill.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void ask(const struct price_list *list) {
    static const int64_t times[] = {0, 951825600, 1741624200, 1790000000, INT64_C(1) << 40};
    for (int row = 0; row < list->rows; row++)
        for (size_t i = 0; i < COUNT_OF(times); i++) {
            struct bill_request request = {.model = list->row[row].model[0],
                                           .currency = list->row[row].currency,
                                           .group = MICROS,
                                           .seconds = times[i],
                                           .units = {{1000, 1000, 1000, 1000}}};
            struct bill bill, most;
            if (bill_make(list, &request, &bill) == STATUS_OK &&
                bill_most(list, &request, request.seconds, &most) == STATUS_OK)
                MUST(bill.micros >= 0 && bill.micros <= most.micros);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct price_list list;
    char *text = malloc(bytes + 1);
    if (!text) return 0;
    if (bytes) memcpy(text, data, bytes);
    text[bytes] = 0;
    if (price_list_parse(&list, text, bytes, "prices") == STATUS_OK) {
        ask(&list);
        MUST(price_list_freeze(&list, 1741624200, "x") == STATUS_OK);
        ask(&list);
        price_list_close(&list);
    } else {
        MUST(*status_message() && !list.row && !list.arena.chunk);
    }
    free(text);
    return 0;
}

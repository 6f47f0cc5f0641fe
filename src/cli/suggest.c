/* suggest.c - edit distance for "did you mean". */
#include "cli/suggest.h"

#include <stdbool.h>
#include <string.h>

enum { LONGEST = 63, FAR = 1000 };

static int least(int a, int b) {
    return a < b ? a : b;
}

int edit_distance(const char *a, const char *b) {
    size_t rows = strlen(a), columns = strlen(b);
    if (rows > LONGEST || columns > LONGEST) return FAR;
    int cost[LONGEST + 1][LONGEST + 1];
    for (size_t i = 0; i <= rows; i++) cost[i][0] = (int)i;
    for (size_t j = 0; j <= columns; j++) cost[0][j] = (int)j;
    for (size_t i = 1; i <= rows; i++)
        for (size_t j = 1; j <= columns; j++) {
            int replace = cost[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            cost[i][j] = least(replace, least(cost[i - 1][j], cost[i][j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                cost[i][j] = least(cost[i][j], cost[i - 2][j - 2] + 1);
        }
    return cost[rows][columns];
}

void suggestion_offer(struct suggestion *suggestion, const char *known) {
    int distance = edit_distance(suggestion->wanted, known);
    int limit =
        1 + (int)strlen(suggestion->wanted) / 4; /* further than this is a guess, not a typing error */
    bool beginning =
        strlen(suggestion->wanted) >= 3 && !strncmp(suggestion->wanted, known, strlen(suggestion->wanted));
    if (distance > limit && !beginning) return;
    if (suggestion->nearest && suggestion->distance <= distance) return;
    suggestion->nearest = known;
    suggestion->distance = distance;
}

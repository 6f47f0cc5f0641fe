/* think.c - arithmetic digit by digit, as it is done on paper: each step is one fact about digits, small enough to be
 * known by heart, and stands on what the lines before it say. Numbers of unequal length are first written with leading
 * zeros, so that digits that belong together stand at the same place. */
#include "task.h"

#include <stdlib.h>

enum { DIGITS = 10 };

static int digits_of(int number, int *digit) { /* digit[0] is the last; gives the count */
    int count = 0;
    do {
        digit[count++] = number % 10;
        number /= 10;
    } while (number);
    return count;
}

static int count_digits(int number) {
    int digit[DIGITS];
    return digits_of(number, digit);
}

static int longer(int a, int b) {
    int x = count_digits(a), y = count_digits(b);
    return x > y ? x : y;
}

/* 9+6+1=16: the last digit is written, the one in front is carried into the next step, where it is the third number. All steps
 * are equally long, so that what belongs together stands at one distance throughout. */
int think_add(struct text *thought, int a, int b) {
    int places = longer(a, b), carry = 0;
    text_add(thought, "%0*d+%0*d\n", places, a, places, b);
    for (int i = 0, x = a, y = b; i < places; i++, x /= 10, y /= 10) {
        int sum = x % 10 + y % 10 + carry;
        text_add(thought, "%d+%d+%d=%02d ", x % 10, y % 10, carry, sum);
        carry = sum / 10;
    }
    text_add(thought, "=%d\n", a + b);
    return a + b;
}

/* 13-7-1=5: a ten is borrowed where the digit does not suffice, and given back in the next step. */
static void take_away(struct text *thought, int a, int b) {
    int places = longer(a, b), borrow = 0;
    text_add(thought, "%0*d-%0*d\n", places, a, places, b);
    for (int i = 0, x = a, y = b; i < places; i++, x /= 10, y /= 10) {
        int top = x % 10, rest = top - y % 10 - borrow, lent = rest < 0 ? 10 : 0;
        text_add(thought, "%02d-%d-%d=%d ", top + lent, y % 10, borrow, rest + lent);
        borrow = lent > 0;
    }
}

int think_subtract(struct text *thought, int a, int b) {
    if (a < b) text_add(thought, "%d<%d\n", a, b);
    take_away(thought, a < b ? b : a, a < b ? a : b);
    text_add(thought, "=%d\n", a - b);
    return a - b;
}

/* The paper form with its rows added up on the way: a row for each digit of b, and in it for each digit of a their product,
 * plus the digit that the row above left in this column, plus what is carried: 7×6=42+3+5=50. The first digit of a row is the
 * result's; the others and the last carry are what the next row meets. */
int think_multiply(struct text *thought, int a, int b) {
    if (count_digits(a) < count_digits(b)) return think_multiply(thought, b, a);
    int x[DIGITS], y[DIGITS], above[DIGITS + 1] = {0}, places = digits_of(a, x), rows = digits_of(b, y);
    text_add(thought, "%d×%d\n", a, b);
    for (int row = 0; row < rows; row++) {
        int carry = 0;
        for (int i = 0; i < places; i++) {
            int product = x[i] * y[row], sum = product + above[i] + carry;
            text_add(thought, "%s%d×%d=%02d+%d+%d=%02d", i ? " " : "", x[i], y[row], product, above[i], carry,
                     sum);
            carry = sum / 10;
            if (i) above[i - 1] = sum % 10;
        }
        above[places - 1] = carry;
        text_add(thought, "\n");
    }
    text_add(thought, "=%d\n", a * b);
    return a * b;
}

int think_divide(struct text *thought, int a, int b, int *remainder) {
    int digit[DIGITS], places = digits_of(a, digit), rest = 0;
    text_add(thought, "%d÷%d\n", a, b);
    for (int i = places - 1; i >= 0; i--) {
        int part = rest * 10 + digit[i], times = part / b;
        rest = part - times * b;
        text_add(thought, "%d: %d×%d=%d %d-%d=%d\n", part, b, times, times * b, part, times * b, rest);
    }
    *remainder = rest;
    text_add(thought, "=%d r %d\n", a / b, rest);
    return a / b;
}

/* think.c - arithmetic digit by digit, as it is done on paper: each step is one fact about digits, small enough to be
 * known by heart, and stands on what the lines before it say. Numbers of unequal length are first written with leading
 * zeros, so that digits that belong together stand at the same place. */
#include "task.h"

#include <stdlib.h>
#include <string.h>

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

/* ---- division ---- */

/* 8×4=32+0=32 4×4=16+3=19 =192: each digit of b times one digit, plus what is carried. */
static int multiply_digit(struct text *thought, int b, int times, int places) {
    int carry = 0;
    for (int x = b; x; x /= 10) {
        int product = x % 10 * times, sum = product + carry;
        text_add(thought, "%d×%d=%02d+%d=%02d ", x % 10, times, product, carry, sum);
        carry = sum / 10;
    }
    text_add(thought, "=%0*d\n", places, b * times);
    return b * times;
}

static char sign_between(int a, int b) {
    return a == b ? '=' : a < b ? '<' : '>';
}

/* A digit of the quotient is guessed, multiplied out and taken away. It was too large where the product is more than the part,
 * and too small where the rest is not less than the divisor: then the next one is tried. Gives what is left. */
static int think_digit(struct text *thought, int part, int b, int guess) {
    for (;; guess--) {
        int places = longer(part, b * guess);
        text_add(thought, "%d:%d ", part, guess);
        int product = multiply_digit(thought, b, guess, places);
        if (product > part) {
            text_add(thought, "%0*d<%d\n", places, part, product);
            continue;
        }
        take_away(thought, part, product);
        text_add(thought, "=%d%c%d", part - product, sign_between(part - product, b), b);
        if (part - product < b) return part - product;
        text_add(thought, "\n");
        guess += 2;
    }
}

/* How far off a guess is: nearly always right, and wrong often enough that mending is learnt, too. The same for the same
 * numbers, so that a problem is always thought through in one way. */
static int slip(int part, int b) {
    uint32_t hash = ((uint32_t)part * 2654435761u) ^ ((uint32_t)b * 2246822519u);
    hash = (hash ^ (hash >> 15)) * 2654435761u;
    int times = part / b, which = (int)((hash >> 20) % 16);
    return which == 0 && times < 9 ? 1 : which == 1 && times > 1 ? -1 : 0;
}

/* By one digit each step is a fact. By more the part grows digit by digit, and so does the quotient, at the end of each line. The word for a
 * remainder, r in English, stands in front, too, so that the reply far behind is in the question's language. */
int think_divide(struct text *thought, int a, int b, const char *word, int *remainder) {
    int digit[DIGITS], places = digits_of(a, digit), rest = 0, quotient = 0;
    text_add(thought, "%d÷%d%s\n", a, b, strcmp(word, "r") ? word : "");
    for (int i = places - 1; i >= 0; i--) {
        int part = rest * 10 + digit[i], times = part / b;
        quotient = quotient * 10 + times;
        rest = part - times * b;
        if (b < 10)
            text_add(thought, "%d: %d×%d=%d %d-%d=%d\n", part, b, times, times * b, part, times * b, rest);
        else if (!times)
            text_add(thought, "%d<%d =%d\n", part, b, quotient);
        else
            text_add(thought, " =%d\n", (think_digit(thought, part, b, times + slip(part, b)), quotient));
    }
    *remainder = rest;
    text_add(thought, "=%d %s %d\n", quotient, word, rest);
    return quotient;
}

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

/* 9+6+1=16: the last digit is written, the one in front is carried into the next line. */
int think_add(struct text *thought, int a, int b) {
    int places = longer(a, b), carry = 0;
    text_add(thought, "%0*d+%0*d\n", places, a, places, b);
    for (int i = 0, x = a, y = b; i < places; i++, x /= 10, y /= 10) {
        int sum = x % 10 + y % 10 + carry;
        text_add(thought, "%d+%d%s=%d\n", x % 10, y % 10, carry ? "+1" : "", sum);
        carry = sum / 10;
    }
    text_add(thought, "=%d\n", a + b);
    return a + b;
}

/* 13-7-1=5: a ten is borrowed where the digit does not suffice, and given back in the next line. */
static void take_away(struct text *thought, int a, int b) {
    int places = longer(a, b), borrow = 0;
    text_add(thought, "%0*d-%0*d\n", places, a, places, b);
    for (int i = 0, x = a, y = b; i < places; i++, x /= 10, y /= 10) {
        int top = x % 10, rest = top - y % 10 - borrow, lent = rest < 0 ? 10 : 0;
        text_add(thought, "%d-%d%s=%d\n", top + lent, y % 10, borrow ? "-1" : "", rest + lent);
        borrow = lent > 0;
    }
}

int think_subtract(struct text *thought, int a, int b) {
    if (a < b) text_add(thought, "%d<%d\n", a, b);
    take_away(thought, a < b ? b : a, a < b ? a : b);
    text_add(thought, "=%d\n", a - b);
    return a - b;
}

/* One row of the paper form: a times one digit, from the last digit to the first, with what is carried. */
static int multiply_digit(struct text *thought, int a, int by) {
    int digit[DIGITS], places = digits_of(a, digit), carry = 0;
    text_add(thought, "%d×%d:", a, by);
    for (int i = 0; i < places && by; i++) {
        int product = digit[i] * by + carry;
        text_add(thought, " %d×%d", digit[i], by);
        if (carry) text_add(thought, "+%d", carry);
        text_add(thought, "=%d", product);
        carry = product / 10;
    }
    text_add(thought, " =%d\n", a * by);
    return a * by;
}

int think_multiply(struct text *thought, int a, int b) {
    if (count_digits(a) < count_digits(b)) return think_multiply(thought, b, a);
    int digit[DIGITS], places = digits_of(b, digit), sum = 0;
    text_add(thought, "%d×%d\n", a, b);
    for (int i = 0, ten = 1; i < places; i++, ten *= 10) {
        int row = multiply_digit(thought, a, digit[i]) * ten;
        sum = i == 0 ? row : think_add(thought, sum, row);
    }
    return sum;
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

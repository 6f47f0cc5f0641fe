/* schema_values.c - numbers and arrays of a schema. */
#include "text/schema_compile.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ITEMS_LIMIT = 4096, LEADING_LIMIT = 1024 };
#define WITHOUT_BOUND INT64_C(999999999999999) /* units of the last decimal: what a double tells apart */

/* ---- numbers ---- */

static const struct expression *digit_range(struct grammar_builder *b, char low, char high) {
    struct byte_set set = {{0}};
    for (char c = low; c <= high; c++) byte_set_add(&set, (unsigned char)c);
    return grammar_set(b, set);
}

/* Numbers of one length, digit by digit, with a point before the last `decimals` digits. */
struct digits {
    struct grammar_builder *builder;
    const char *low, *high;
    int length, decimals;
    bool shorter; /* zeros at the end may be missing */
};

static const struct expression *digits_from(const struct digits *digits, int at, bool low_tight,
                                            bool high_tight);

/* Behind the point nothing more has to come where zeros are allowed. */
static bool zeros_may_follow(const struct digits *digits, int at, bool low_tight) {
    return digits->shorter && at >= digits->length - digits->decimals &&
           (!low_tight || strspn(digits->low + at, "0") == (size_t)(digits->length - at));
}

static const struct expression *all_digits_from(const struct digits *digits, int at, bool low_tight,
                                                bool high_tight) {
    struct grammar_builder *b = digits->builder;
    const char low = low_tight ? digits->low[at] : '0', high = high_tight ? digits->high[at] : '9';
    const struct expression *sum = NULL, *point = grammar_empty(b);
    if (digits->decimals > 0 && at == digits->length - digits->decimals) point = grammar_text(b, ".");
    if (!low_tight && !high_tight) {
        const int rest = digits->length - at;
        if (digits->decimals == 0 || at >= digits->length - digits->decimals)
            return grammar_sequence(
                b, point, grammar_repeat(b, digit_range(b, '0', '9'), digits->shorter ? 1 : rest, rest));
    }
    char first = low, last = high;
    if (low_tight && high_tight && low == high)
        return grammar_sequence(
            b, point, grammar_sequence(b, digit_range(b, low, low), digits_from(digits, at + 1, true, true)));
    if (low_tight) {
        sum = grammar_sequence(b, digit_range(b, low, low), digits_from(digits, at + 1, true, false));
        first++;
    }
    if (high_tight) {
        const struct expression *part =
            grammar_sequence(b, digit_range(b, high, high), digits_from(digits, at + 1, false, true));
        sum = sum ? grammar_either(b, sum, part) : part;
        last--;
    }
    if (first <= last) {
        const struct expression *part =
            grammar_sequence(b, digit_range(b, first, last), digits_from(digits, at + 1, false, false));
        sum = sum ? grammar_either(b, sum, part) : part;
    }
    return grammar_sequence(b, point, sum);
}

static const struct expression *digits_from(const struct digits *digits, int at, bool low_tight,
                                            bool high_tight) {
    struct grammar_builder *b = digits->builder;
    if (at == digits->length) return grammar_empty(b);
    const struct expression *all = all_digits_from(digits, at, low_tight, high_tight);
    return zeros_may_follow(digits, at, low_tight) ? grammar_optional(b, all) : all;
}

static void print_digits(char *text, int length, int64_t number) {
    text[length] = '\0';
    for (int at = length; at-- > 0; number /= 10) text[at] = (char)('0' + number % 10);
}

/* The numbers from low to high, 0 <= low <= high, divided by 10^decimals. */
static const struct expression *positive_range(struct grammar_builder *b, int64_t low, int64_t high,
                                               int decimals, bool shorter) {
    const struct expression *sum = NULL;
    char from[24], to[24];
    const int least = decimals + 1; /* digits: one stands before the point */
    for (int length = least; length <= 18; length++) {
        const int64_t smallest = length == least ? 0 : (int64_t)llround(pow(10, length - 1)),
                      largest = (int64_t)llround(pow(10, length)) - 1;
        const int64_t begin = low > smallest ? low : smallest, end = high < largest ? high : largest;
        if (begin > end) continue;
        print_digits(from, length, begin);
        print_digits(to, length, end);
        const struct digits digits = {b, from, to, length, decimals, shorter};
        const struct expression *part = digits_from(&digits, 0, true, true);
        sum = sum ? grammar_either(b, sum, part) : part;
    }
    return sum;
}

/* `more`: further digits may follow, which only makes the size larger. */
static const struct expression *size_range(struct grammar_builder *b, int64_t low, int64_t high, int decimals,
                                           bool more) {
    const struct expression *exact = positive_range(b, low, high, decimals, decimals > 0);
    if (!more || low > high - 1) return exact;
    const struct expression *tail =
        grammar_repeat(b, digit_range(b, '0', '9'), 1, 15 - decimals > 1 ? 15 - decimals : 1);
    if (decimals == 0) tail = grammar_sequence(b, grammar_text(b, "."), tail);
    return grammar_either(b, exact,
                          grammar_sequence(b, positive_range(b, low, high - 1, decimals, false), tail));
}

struct bounds {
    double low, high;
    bool has_low, has_high, low_open, high_open;
};

static bool read_bound(struct schema_compiler *compiler, const json_t *schema, const char *keyword,
                       double *value) {
    const json_t *bound = json_object_get(schema, keyword);
    if (!bound) return false;
    *value = json_number_value(bound);
    if (json_is_number(bound)) return true;
    if (json_is_boolean(bound) && !strncmp(keyword, "exclusive", 9)) return false; /* draft 4 */
    (void)schema_refuse(compiler, STATUS_INPUT, keyword, "must be a number");
    return false;
}

static struct bounds read_bounds(struct schema_compiler *compiler, const json_t *schema) {
    struct bounds bounds = {0};
    double value;
    bounds.has_low = read_bound(compiler, schema, "minimum", &bounds.low);
    bounds.has_high = read_bound(compiler, schema, "maximum", &bounds.high);
    if (read_bound(compiler, schema, "exclusiveMinimum", &value) && (!bounds.has_low || value >= bounds.low))
        bounds.low = value, bounds.has_low = bounds.low_open = true;
    if (read_bound(compiler, schema, "exclusiveMaximum", &value) &&
        (!bounds.has_high || value <= bounds.high))
        bounds.high = value, bounds.has_high = bounds.high_open = true;
    bounds.low_open |= bounds.has_low && json_is_true(json_object_get(schema, "exclusiveMinimum"));
    bounds.high_open |= bounds.has_high && json_is_true(json_object_get(schema, "exclusiveMaximum"));
    return bounds;
}

/* Is it so many units exactly, as a validator reads it? */
static bool is_units(double value, double scale) {
    const double units = nearbyint(value * scale);
    return fabs(units) < 9e15 && units / scale == value;
}

/* Decimals that both bounds need, at most 6. -1: more, or numbers that no double tells apart. */
static int decimals_of(const struct bounds *bounds) {
    for (int decimals = 0; decimals <= 6; decimals++) {
        const double scale = pow(10, decimals);
        if ((!bounds->has_low || is_units(bounds->low, scale)) &&
            (!bounds->has_high || is_units(bounds->high, scale)))
            return decimals;
    }
    return -1;
}

/* Bounds that no number reaches are none. Those with more digits than are told apart stand a little further inside. */
static void move_inward(struct bounds *bounds) {
    enum { DECIMALS = 1000000, USUAL = 999999999 };
    const double never = 1e115, most = (double)WITHOUT_BOUND;
    bounds->has_low = bounds->has_low && bounds->low > -never;
    bounds->has_high = bounds->has_high && bounds->high < never;
    if (bounds->has_low && bounds->low < -most) bounds->low = -most, bounds->low_open = false;
    if (bounds->has_high && bounds->high > most) bounds->high = most, bounds->high_open = false;
    if (decimals_of(bounds) >= 0) return;
    const double low = ceil(fmax(bounds->low, -USUAL) * DECIMALS) / DECIMALS,
                 high = floor(fmin(bounds->high, USUAL) * DECIMALS) / DECIMALS;
    if (bounds->has_low && low > bounds->low) bounds->low = low, bounds->low_open = false;
    if (bounds->has_high && high < bounds->high) bounds->high = high, bounds->high_open = false;
}

static const struct expression *join(struct grammar_builder *b, const struct expression *sum,
                                     const struct expression *more) {
    return sum && more ? grammar_either(b, sum, more) : sum ? sum : more;
}

/* Sizes of the negative and of the other numbers in [low, high], in units of the last decimal. */
static const struct expression *in_bounds(struct schema_compiler *compiler, int64_t low, int64_t high,
                                          int decimals, const struct bounds *bounds, bool integer) {
    struct grammar_builder *b = compiler->builder;
    const struct expression *sum = NULL;
    /* an open end takes one unit off; what lies between is still reached by further digits */
    const int64_t first = low + bounds->low_open, last = high - bounds->high_open;
    if (first > last)
        return schema_refuse(compiler, STATUS_UNSUPPORTED, "minimum", "leaves too little room for a number");
    if (last >= 0) sum = size_range(b, first > 0 ? first : 0, last, decimals, !integer);
    if (first < 0)
        sum = join(b, sum,
                   grammar_sequence(b, grammar_text(b, "-"),
                                    size_range(b, last < 0 ? -last : 1, -first, decimals, !integer)));
    return sum;
}

/* ---- multiples ---- */

enum { MULTIPLE_LIMIT = 2000, LISTED_LIMIT = 10000, MULTIPLE_DIGITS = 9 };

static int rule_for(struct grammar_builder *b, const struct expression *expression) {
    const int rule = grammar_declare(b);
    grammar_define(b, rule, expression);
    return rule;
}

/* Digits of whole numbers that `of` divides: by the rest that those before leave, from the last digit to the first. */
static const struct expression *multiples_of(struct grammar_builder *b, int of, bool negative) {
    int *rule = malloc((size_t)of * sizeof *rule);
    const struct expression *sum = grammar_text(b, "0");
    if (!rule) return b->failed = true, NULL;
    for (int r = 0; r < of; r++) rule[r] = r ? -1 : rule_for(b, grammar_empty(b));
    for (int digits = 1; digits <= MULTIPLE_DIGITS && !b->failed; digits++) {
        int *longer = malloc((size_t)of * sizeof *longer);
        if (!longer) b->failed = true;
        for (int r = 0; longer && r < of; r++) {
            const struct expression *ways = NULL;
            for (char d = '0'; d <= '9'; d++) {
                const int to = (r * 10 + d - '0') % of;
                if (rule[to] < 0) continue;
                const struct expression *way =
                    grammar_sequence(b, digit_range(b, d, d), grammar_call(b, rule[to]));
                ways = ways ? grammar_either(b, ways, way) : way;
                if (r == 0 && d != '0') sum = grammar_either(b, sum, way);
            }
            longer[r] = ways ? rule_for(b, ways) : -1;
        }
        if (longer) memcpy(rule, longer, (size_t)of * sizeof *rule);
        free(longer);
    }
    free(rule);
    return negative ? grammar_sequence(b, grammar_optional(b, grammar_text(b, "-")), sum) : sum;
}

/* The number as people write it, which its double may not be: 3 * 0.1 is 0.3. */
static double written(double value, int decimals) {
    char text[64];
    snprintf(text, sizeof text, "%.*f", decimals, value);
    return strtod(text, NULL);
}

/* All of them between two bounds, written down. */
static const struct expression *listed_multiples(struct schema_compiler *compiler,
                                                 const struct bounds *bounds, double of, bool integer) {
    const double first =
        ceil(bounds->low / of) + (bounds->low_open && ceil(bounds->low / of) * of == bounds->low);
    const struct bounds unit = {.low = of, .has_low = true};
    const int decimals = decimals_of(&unit);
    json_t *list = json_array();
    for (int tries = 0; tries < LISTED_LIMIT; tries++) {
        const double exact = (first + tries) * of, value = decimals < 0 ? exact : written(exact, decimals);
        if (value < bounds->low || (bounds->low_open && value == bounds->low)) continue;
        if (value > bounds->high || (bounds->high_open && value == bounds->high)) break;
        if (integer && value != nearbyint(value)) continue;
        /* only what a validator's division finds whole */
        if (value / of == nearbyint(value / of))
            (void)json_array_append_new(list, value == nearbyint(value) && fabs(value) < 9e15
                                                  ? json_integer((json_int_t)value)
                                                  : json_real(value));
    }
    json_t *schema = json_pack("{s:o}", "enum", list);
    const json_t *kept = schema_own(compiler, schema);
    return kept ? schema_rule(compiler, kept) : NULL;
}

/* Does it divide every whole number of few digits, as a validator's division finds? 1/100 does, and 1e-8 is too small. */
static bool divides_whole(double of) {
    if (1 / of != nearbyint(1 / of) || 1 / of > 1e6) return false;
    for (int n = 1; n <= 4096; n++)
        if (n / of != nearbyint(n / of)) return false;
    return true;
}

static const struct expression *in_range(struct schema_compiler *compiler, struct bounds bounds,
                                         bool integer) {
    struct grammar_builder *b = compiler->builder;
    if (integer && bounds.has_low && bounds.low != ceil(bounds.low))
        bounds.low = ceil(bounds.low), bounds.low_open = false;
    if (integer && bounds.has_high && bounds.high != floor(bounds.high))
        bounds.high = floor(bounds.high), bounds.high_open = false;
    move_inward(&bounds);
    const int decimals = decimals_of(&bounds);
    if (decimals < 0)
        return schema_refuse(compiler, STATUS_UNSUPPORTED, "minimum", "is too large, or too small");
    if (!bounds.has_low && !bounds.has_high)
        return grammar_call(b, integer ? compiler->parts.integer : compiler->parts.number);
    if (bounds.has_low && bounds.has_high && bounds.low > bounds.high)
        return schema_refuse(compiler, STATUS_INPUT, "maximum", "is less than minimum");
    const double scale = pow(10, decimals);
    const int64_t low = bounds.has_low ? (int64_t)llround(bounds.low * scale) : -WITHOUT_BOUND,
                  high = bounds.has_high ? (int64_t)llround(bounds.high * scale) : WITHOUT_BOUND;
    if (low > WITHOUT_BOUND || high < -WITHOUT_BOUND)
        return schema_refuse(compiler, STATUS_UNSUPPORTED, "minimum", "is too large");
    return in_bounds(compiler, low, high, decimals, &bounds, integer);
}

/* Whole numbers are multiples of 1/100: all of them, and others near zero or a bound. */
static const struct expression *fractions(struct schema_compiler *compiler, const struct bounds *bounds,
                                          double of, bool integer) {
    struct bounds near = *bounds;
    if (!near.has_low || (near.low < 0 && (!near.has_high || near.high > 0)))
        near.low = near.has_high && near.high < 0 ? near.high - LISTED_LIMIT / 2 * of : 0,
        near.low_open = false;
    near.has_low = true;
    if (!near.has_high) near.high = near.low + LISTED_LIMIT * of, near.has_high = true;
    const bool whole = !bounds->has_low || !bounds->has_high || floor(bounds->high) > ceil(bounds->low);
    const struct expression *sum = whole ? in_range(compiler, *bounds, true) : NULL;
    if (integer || compiler->status != STATUS_OK) return sum;
    return join(compiler->builder, sum, listed_multiples(compiler, &near, of, false));
}

static const struct expression *multiple(struct schema_compiler *compiler, const struct bounds *bounds,
                                         double of, bool integer) {
    if (bounds->has_low && bounds->has_high && (bounds->high - bounds->low) / of < LISTED_LIMIT)
        return listed_multiples(compiler, bounds, of, integer);
    if (of < 1 && divides_whole(of)) return fractions(compiler, bounds, of, integer);
    const bool from_zero = bounds->has_low && bounds->low <= 0 && bounds->low > -of && !bounds->low_open;
    if ((!bounds->has_low || from_zero) && !bounds->has_high && of == nearbyint(of) && of <= MULTIPLE_LIMIT)
        return multiples_of(compiler->builder, (int)of, !from_zero);
    /* near a bound, and within the other */
    struct bounds near = *bounds;
    if (!bounds->has_low) near.low = bounds->has_high ? bounds->high - 1000 * of : 0;
    if (!bounds->has_high) near.high = near.low + 1000 * of;
    return listed_multiples(compiler, &near, of, integer);
}

const struct expression *schema_number(struct schema_compiler *compiler, const json_t *schema, bool integer) {
    struct grammar_builder *b = compiler->builder;
    const json_t *divisor = json_object_get(schema, "multipleOf");
    if (divisor && !(json_number_value(divisor) > 0))
        return schema_refuse(compiler, STATUS_INPUT, "multipleOf", "must be a number above 0");
    struct bounds bounds = read_bounds(compiler, schema);
    if (compiler->status != STATUS_OK) return NULL;
    if (divisor && json_number_value(divisor) != 1)
        return multiple(compiler, &bounds, json_number_value(divisor), integer);
    if (divisor) integer = true;
    if (!bounds.has_low && !bounds.has_high)
        return grammar_call(b, integer ? compiler->parts.integer : compiler->parts.number);
    return in_range(compiler, bounds, integer);
}

/* ---- arrays ---- */

/* Items behind the leading ones: a schema, or NULL for none. *refused: neither. */
static const json_t *rest_of(const json_t *schema, const json_t **leading) {
    const json_t *items = json_object_get(schema, "items"), *prefix = json_object_get(schema, "prefixItems");
    if (json_is_array(items)) { /* draft 7 */
        *leading = items;
        items = json_object_get(schema, "additionalItems");
    } else {
        *leading = prefix;
    }
    return items ? items : json_object_get(schema, SCHEMA_UNEVALUATED_ITEMS);
}

/* `count` more items from number `at` on are there already; builds from the end. */
static const struct expression *item_of(struct schema_compiler *compiler, const json_t *leading,
                                        const json_t *rest, size_t at) {
    struct grammar_builder *b = compiler->builder;
    if (at < json_array_size(leading)) return schema_rule(compiler, json_array_get(leading, at));
    return rest ? schema_rule(compiler, rest) : grammar_call(b, compiler->parts.value);
}

static const struct expression *comma(struct schema_compiler *compiler, const struct expression *item) {
    struct grammar_builder *b = compiler->builder;
    return grammar_sequence(b, grammar_text(b, ","),
                            grammar_sequence(b, grammar_call(b, compiler->parts.space), item));
}

/* Items that may be missing and cannot be kept do not come. */
static const struct expression *more_items(struct schema_compiler *compiler, const json_t *leading,
                                           const json_t *rest, size_t at, int low, int high) {
    const json_t *schema = at < json_array_size(leading) ? json_array_get(leading, at) : rest;
    if (low == 0 && schema && !schema_attempt(compiler, schema)) return grammar_empty(compiler->builder);
    return grammar_repeat(compiler->builder, comma(compiler, item_of(compiler, leading, rest, at)), low,
                          high);
}

/* Item `at`, behind a comma unless it is the first, and what follows it. */
static const struct expression *items_from(struct schema_compiler *compiler, const json_t *leading,
                                           const json_t *rest, int64_t least, int64_t most) {
    struct grammar_builder *b = compiler->builder;
    const int64_t fixed = (int64_t)json_array_size(leading), ahead = fixed > 1 ? fixed : 1;
    const int low = (int)(least > ahead ? least - ahead : 0),
              high = most < 0 ? -1 : (int)(most > ahead ? most - ahead : 0);
    const struct expression *tail = grammar_empty(b);
    if (high != 0) tail = more_items(compiler, leading, rest, (size_t)ahead, low, high);
    for (int64_t at = ahead; at-- > 0 && compiler->status == STATUS_OK;) {
        if (most >= 0 && at >= most) continue;
        const json_t *schema =
            (size_t)at < json_array_size(leading) ? json_array_get(leading, (size_t)at) : rest;
        if (at >= least && schema && !schema_attempt(compiler, schema)) {
            tail = grammar_empty(b);
            continue;
        }
        const struct expression *item = item_of(compiler, leading, rest, (size_t)at);
        tail = grammar_sequence(b, at ? comma(compiler, item) : item, tail);
        if (at >= least) tail = grammar_optional(b, tail);
    }
    return tail;
}

static const struct expression *bracketed(struct schema_compiler *compiler, const struct expression *items) {
    struct grammar_builder *b = compiler->builder;
    const struct expression *space = grammar_call(b, compiler->parts.space);
    return grammar_sequence(
        b, grammar_text(b, "["),
        grammar_sequence(b, space,
                         grammar_sequence(b, items, grammar_sequence(b, space, grammar_text(b, "]")))));
}

/* The values that items may have where the schema lists them; of booleans, both. NULL: it does not. */
static const json_t *values_of_items(struct schema_compiler *compiler, const json_t *items) {
    enum { VALUES_LIMIT = 128 };
    const json_t *list = json_object_get(items, "enum"), *type = json_object_get(items, "type");
    json_t *values = json_array();
    if (!schema_expand(compiler, &items)) return json_decref(values), NULL;
    list = json_object_get(items, "enum");
    type = json_object_get(items, "type");
    if (!list && json_is_string(type) && !strcmp(json_string_value(type), "boolean") &&
        json_object_size(items) == 1) {
        (void)json_array_append_new(values, json_true());
        (void)json_array_append_new(values, json_false());
    }
    const json_t *rest = list ? schema_without(compiler, items, "enum") : NULL;
    for (size_t i = 0; rest && i < json_array_size(list); i++) {
        bool known = !schema_allows(compiler, rest, json_array_get(list, i));
        for (size_t j = 0; j < json_array_size(values) && !known; j++) {
            const json_t *one = json_array_get(values, j), *other = json_array_get(list, i);
            known = json_equal((json_t *)one, (json_t *)other) ||
                    (json_is_number(one) && json_is_number(other) &&
                     json_number_value(one) == json_number_value(other)) ||
                    json_is_object(other) || json_is_array(other);
        }
        if (!known) (void)json_array_append(values, json_array_get(list, i));
    }
    const json_t *kept = schema_own(compiler, values);
    return kept && json_array_size(kept) && json_array_size(kept) <= VALUES_LIMIT ? kept : NULL;
}

/* Each value at most once, in the order of the list: from the last on, what may come with so many items before it. */
static const struct expression *unique_values(struct schema_compiler *compiler, const json_t *values,
                                              int64_t least, int64_t most) {
    struct grammar_builder *b = compiler->builder;
    const int count = (int)json_array_size(values);
    enum { COUNTED = 130 };
    const struct expression *rest[COUNTED];
    if (least > count)
        return schema_refuse(compiler, STATUS_INPUT, "uniqueItems", "has fewer values than minItems");
    for (int c = 0; c <= count; c++)
        rest[c] = c >= least && (most < 0 || c <= most) ? grammar_empty(b) : NULL;
    for (int i = count; i-- > 0;) {
        const struct expression *value = json_literal(b, json_array_get(values, (size_t)i));
        for (int c = 0; c <= i; c++) {
            const struct expression *with =
                rest[c + 1] ? grammar_sequence(b, c ? comma(compiler, value) : value, rest[c + 1]) : NULL;
            const struct expression *both = with && rest[c] ? grammar_either(b, with, rest[c])
                                            : with          ? with
                                                            : rest[c];
            rest[c] = both ? grammar_call(b, rule_for(b, both)) : NULL;
        }
    }
    return rest[0] ? bracketed(compiler, rest[0])
                   : schema_refuse(compiler, STATUS_INPUT, "maxItems", "leaves no array");
}

/* How many items an array may have in all, and how many of them what it contains. */
struct contents {
    const struct expression *contained, *other; /* NULL: none may come */
    int64_t least, most;                        /* most < 0: any number */
};

/* So many contained items, then others. NULL: there is no such array. */
static const struct expression *contained_first(struct schema_compiler *compiler,
                                                const struct contents *contents, int contained) {
    struct grammar_builder *b = compiler->builder;
    const int low = (int)(contents->least > contained ? contents->least - contained : 0),
              high = contents->most < 0 ? -1 : (int)(contents->most - contained);
    if ((contents->most >= 0 && high < 0) || (contained && !contents->contained) ||
        (low > 0 && !contents->other))
        return NULL;
    const bool others = contents->other && high != 0;
    if (contained == 0) {
        if (!others) return grammar_empty(b);
        const struct expression *some =
            grammar_sequence(b, contents->other,
                             grammar_repeat(b, comma(compiler, contents->other), low > 0 ? low - 1 : 0,
                                            high < 0 ? -1 : high - 1));
        return low > 0 ? some : grammar_optional(b, some);
    }
    const struct expression *all = grammar_sequence(
        b, contents->contained,
        grammar_repeat(b, comma(compiler, contents->contained), contained - 1, contained - 1));
    return others ? grammar_sequence(b, all, grammar_repeat(b, comma(compiler, contents->other), low, high))
                  : all;
}

/* Items beside those that are counted: with a limit, only such as are certainly not contained. */
static const struct expression *other_items(struct schema_compiler *compiler, const json_t *rest,
                                            const json_t *contained, bool limited) {
    if (json_is_false(rest)) return NULL;
    if (!limited)
        return rest ? schema_attempt(compiler, rest) : grammar_call(compiler->builder, compiler->parts.value);
    json_t *other = rest ? json_pack("{s:[O,{s:O}]}", "allOf", rest, "not", contained)
                         : json_pack("{s:O}", "not", contained);
    const json_t *kept = schema_own(compiler, other);
    return kept ? schema_attempt(compiler, kept) : NULL;
}

/* The items that must be there stand first. */
static const struct expression *containing(struct schema_compiler *compiler, const json_t *schema,
                                           const json_t *rest, int64_t least, int64_t most) {
    enum { CONTAINED_LIMIT = 32 }; /* alternatives */
    const int64_t needed = schema_count(compiler, schema, "minContains", 1),
                  limit = schema_count(compiler, schema, "maxContains", -1);
    const json_t *what = json_object_get(schema, "contains");
    const bool unique = json_is_true(json_object_get(schema, "uniqueItems"));
    if (needed == -2 || limit == -2) return NULL;
    if (needed == 0 && limit < 0) return schema_array(compiler, schema_without(compiler, schema, "contains"));
    if (limit >= 0 && limit < needed)
        return schema_refuse(compiler, STATUS_INPUT, "maxContains", "is less than minContains");
    if (json_object_get(schema, "prefixItems") || json_is_array(json_object_get(schema, "items")))
        return schema_refuse(compiler, STATUS_UNSUPPORTED, "contains", "is not supported beside prefixItems");
    if (unique && (needed > 1 || least > 1))
        return schema_refuse(compiler, STATUS_UNSUPPORTED, "uniqueItems", "is not supported beside contains");
    if (unique) most = most == 0 ? 0 : 1;
    if (needed > ITEMS_LIMIT || least > ITEMS_LIMIT)
        return schema_refuse(compiler, STATUS_UNSUPPORTED, "minContains", "is too large");
    if (most > ITEMS_LIMIT) most = ITEMS_LIMIT;
    const json_t *both = rest ? schema_own(compiler, json_pack("{s:[O,O]}", "allOf", rest, what)) : what;
    struct contents contents = {.least = least, .most = most};
    if (!both) return NULL;
    if (needed > 0 || limit > 0)
        contents.contained = needed > 0 ? schema_rule(compiler, both) : schema_attempt(compiler, both);
    if (needed > 0 && !contents.contained) return NULL;
    contents.other = other_items(compiler, rest, what, limit >= 0);
    if (limit < 0 && !contents.other) contents.other = contents.contained;
    const struct expression *sum = NULL;
    for (int64_t n = needed; n <= (limit < needed ? needed : limit) && n - needed < CONTAINED_LIMIT; n++)
        sum = join(compiler->builder, sum, contained_first(compiler, &contents, (int)n));
    if (compiler->status != STATUS_OK) return NULL;
    return sum ? bracketed(compiler, sum) : schema_refuse_left_out(compiler, "contains", "leaves no array");
}

const struct expression *schema_array(struct schema_compiler *compiler, const json_t *schema) {
    struct grammar_builder *b = compiler->builder;
    const json_t *leading, *rest = rest_of(schema, &leading);
    if (!schema_tells_unevaluated(compiler, schema, SCHEMA_UNEVALUATED_ITEMS, "unevaluatedItems"))
        return NULL;
    int64_t least = schema_count(compiler, schema, "minItems", 0),
            most = schema_count(compiler, schema, "maxItems", -1);
    if (least == -2 || most == -2) return NULL;
    if (json_is_false(rest) && (most < 0 || most > (int64_t)json_array_size(leading)))
        most = (int64_t)json_array_size(leading);
    if (json_array_size(leading) > LEADING_LIMIT)
        return schema_refuse(compiler, STATUS_LIMIT, "prefixItems", "are too many");
    if (most > ITEMS_LIMIT) most = ITEMS_LIMIT;
    if (least > ITEMS_LIMIT) return schema_refuse(compiler, STATUS_UNSUPPORTED, "minItems", "is too large");
    if (most >= 0 && most < least)
        return schema_refuse(compiler, STATUS_INPUT, "maxItems", "is less than minItems");
    if (json_object_get(schema, "contains")) return containing(compiler, schema, rest, least, most);
    if (json_is_true(json_object_get(schema, "uniqueItems"))) {
        const json_t *values = json_array_size(leading) ? NULL : values_of_items(compiler, rest);
        if (values) return unique_values(compiler, values, least, most);
        if (least > 1)
            return schema_refuse(compiler, STATUS_UNSUPPORTED, "uniqueItems",
                                 "is not supported for two or more items, but for those of an enum");
        most = most == 0 ? 0 : 1; /* one item is always unique */
    }
    const struct expression *items =
        most == 0 ? grammar_empty(b)
                  : items_from(compiler, leading, json_is_false(rest) ? NULL : rest, least, most);
    return compiler->status == STATUS_OK ? bracketed(compiler, items) : NULL;
}

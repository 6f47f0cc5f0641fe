/* schema_values.c - strings, numbers and arrays of a schema. */
#include "text/schema_compile.h"

#include <math.h>
#include <string.h>

enum { CHARACTERS_LIMIT = 8192, ITEMS_LIMIT = 4096, LEADING_LIMIT = 1024 };
#define WITHOUT_BOUND INT64_C(999999999999999) /* units of the last decimal: what a double tells apart */

/* ---- strings ---- */

static const char *format_pattern(const char *name) {
#define OCTET "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
#define H16   "[0-9a-fA-F]{1,4}"
#define DATE                                                                                                 \
    "[0-9]{4}-(((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01]))|((0[469]|11)-(0[1-9]|[12][0-9]|30))|(02-(0[1-9]|" \
    "1[0-9]|2[0-8])))"
#define TIME  "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,6})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
#define LABEL "[a-zA-Z0-9]([a-zA-Z0-9-]{0,30}[a-zA-Z0-9])?"
    static const struct {
        const char *name, *pattern;
    } rows[] = {{"date", "^" DATE "$"},
                {"time", "^" TIME "$"},
                {"date-time", "^" DATE "T" TIME "$"},
                {"uuid", "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"},
                {"ipv4", "^" OCTET "(\\." OCTET "){3}$"},
                {"ipv6", "^(" H16 ":){7}" H16 "$"},
                {"hostname", "^" LABEL "(\\." LABEL "){0,3}$"},
                {"email", "^[a-zA-Z0-9_+-]{1,32}(\\.[a-zA-Z0-9_+-]{1,31})?@" LABEL "(\\." LABEL
                          "){0,2}\\.[a-zA-Z]{2,12}$"},
                {"uri", "^https?://" LABEL "(\\." LABEL "){0,3}(/[a-zA-Z0-9_.~-]{0,64}){0,8}$"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (!strcmp(rows[i].name, name)) return rows[i].pattern;
    return NULL;
}

static const struct expression *quoted(struct schema_compiler *compiler, const struct expression *inside) {
    struct grammar_builder *b = compiler->builder;
    return grammar_sequence(b, grammar_text(b, "\""), grammar_sequence(b, inside, grammar_text(b, "\"")));
}

static const struct expression *matched(struct schema_compiler *compiler, const char *pattern) {
    enum status status;
    const struct expression *inside = regex_characters(compiler->builder, pattern, compiler->origin, &status);
    if (status != STATUS_OK && compiler->status == STATUS_OK) compiler->status = status;
    return quoted(compiler, inside);
}

const struct expression *schema_string(struct schema_compiler *compiler, const json_t *schema) {
    struct grammar_builder *b = compiler->builder;
    const json_t *pattern = json_object_get(schema, "pattern"), *format = json_object_get(schema, "format");
    const int64_t least = schema_count(compiler, schema, "minLength", 0);
    int64_t most = schema_count(compiler, schema, "maxLength", -1);
    if (least == -2 || most == -2) return NULL;
    const bool bounded = least > 0 || most >= 0;
    if ((pattern != NULL) + (format != NULL) + bounded > 1)
        return schema_refuse(compiler, STATUS_UNSUPPORTED, pattern ? "pattern" : "format",
                             "is not supported beside other rules for the same string");
    if (pattern && !json_is_string(pattern))
        return schema_refuse(compiler, STATUS_INPUT, "pattern", "must be a string");
    if (pattern && strlen(json_string_value(pattern)) != json_string_length(pattern))
        return schema_refuse(compiler, STATUS_UNSUPPORTED, "pattern", "contains the character U+0000");
    if (format && !json_is_string(format))
        return schema_refuse(compiler, STATUS_INPUT, "format", "must be a string");
    if (pattern) return matched(compiler, json_string_value(pattern));
    if (format) {
        const char *known = format_pattern(json_string_value(format));
        if (known) return matched(compiler, known);
        return schema_refuse(compiler, STATUS_UNSUPPORTED, "format", "this format is not supported");
    }
    if (!bounded) return grammar_call(b, compiler->parts.string);
    if (least > CHARACTERS_LIMIT)
        return schema_refuse(compiler, STATUS_UNSUPPORTED, "minLength", "is too large");
    if (most > CHARACTERS_LIMIT) most = CHARACTERS_LIMIT;
    if (most >= 0 && most < least)
        return schema_refuse(compiler, STATUS_INPUT, "maxLength", "is less than minLength");
    return quoted(compiler,
                  grammar_repeat(b, grammar_call(b, compiler->parts.character), (int)least, (int)most));
}

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
};

static const struct expression *digits_from(const struct digits *digits, int at, bool low_tight,
                                            bool high_tight) {
    struct grammar_builder *b = digits->builder;
    if (at == digits->length) return grammar_empty(b);
    const char low = low_tight ? digits->low[at] : '0', high = high_tight ? digits->high[at] : '9';
    const struct expression *sum = NULL, *point = grammar_empty(b);
    if (digits->decimals > 0 && at == digits->length - digits->decimals) point = grammar_text(b, ".");
    if (!low_tight && !high_tight) {
        const int rest = digits->length - at;
        if (digits->decimals == 0 || at >= digits->length - digits->decimals)
            return grammar_sequence(b, point, grammar_repeat(b, digit_range(b, '0', '9'), rest, rest));
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

static void print_digits(char *text, int length, int64_t number) {
    text[length] = '\0';
    for (int at = length; at-- > 0; number /= 10) text[at] = (char)('0' + number % 10);
}

/* The numbers from low to high, 0 <= low <= high, divided by 10^decimals. */
static const struct expression *positive_range(struct grammar_builder *b, int64_t low, int64_t high,
                                               int decimals) {
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
        const struct digits digits = {b, from, to, length, decimals};
        const struct expression *part = digits_from(&digits, 0, true, true);
        sum = sum ? grammar_either(b, sum, part) : part;
    }
    return sum;
}

/* `more`: further digits may follow, which only makes the size larger. */
static const struct expression *size_range(struct grammar_builder *b, int64_t low, int64_t high, int decimals,
                                           bool more) {
    const struct expression *exact = positive_range(b, low, high, decimals);
    if (!more || low > high - 1) return exact;
    const struct expression *tail =
        grammar_repeat(b, digit_range(b, '0', '9'), 1, 15 - decimals > 1 ? 15 - decimals : 1);
    if (decimals == 0) tail = grammar_sequence(b, grammar_text(b, "."), tail);
    return grammar_either(b, exact, grammar_sequence(b, positive_range(b, low, high - 1, decimals), tail));
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

const struct expression *schema_number(struct schema_compiler *compiler, const json_t *schema, bool integer) {
    struct grammar_builder *b = compiler->builder;
    const json_t *multiple = json_object_get(schema, "multipleOf");
    if (multiple && json_number_value(multiple) != 1)
        return schema_refuse(compiler, STATUS_UNSUPPORTED, "multipleOf", "is supported for 1 only");
    if (multiple) integer = true;
    struct bounds bounds = read_bounds(compiler, schema);
    if (compiler->status != STATUS_OK) return NULL;
    if (!bounds.has_low && !bounds.has_high)
        return grammar_call(b, integer ? compiler->parts.integer : compiler->parts.number);
    if (integer && bounds.has_low && bounds.low != ceil(bounds.low))
        bounds.low = ceil(bounds.low), bounds.low_open = false;
    if (integer && bounds.has_high && bounds.high != floor(bounds.high))
        bounds.high = floor(bounds.high), bounds.high_open = false;
    const int decimals = decimals_of(&bounds);
    if (decimals < 0)
        return schema_refuse(compiler, STATUS_UNSUPPORTED, "minimum",
                             "has more than six decimals, or is too large");
    if (bounds.has_low && bounds.has_high && bounds.low > bounds.high)
        return schema_refuse(compiler, STATUS_INPUT, "maximum", "is less than minimum");
    const double scale = pow(10, decimals);
    const int64_t low = bounds.has_low ? (int64_t)llround(bounds.low * scale) : -WITHOUT_BOUND,
                  high = bounds.has_high ? (int64_t)llround(bounds.high * scale) : WITHOUT_BOUND;
    if (low > WITHOUT_BOUND || high < -WITHOUT_BOUND)
        return schema_refuse(compiler, STATUS_UNSUPPORTED, "minimum", "is too large");
    return in_bounds(compiler, low, high, decimals, &bounds, integer);
}

/* ---- arrays ---- */

/* Items behind the leading ones: a schema, or NULL for none. *refused: neither. */
static const json_t *rest_of(const json_t *schema, const json_t **leading) {
    const json_t *items = json_object_get(schema, "items"), *prefix = json_object_get(schema, "prefixItems");
    if (json_is_array(items)) { /* draft 7 */
        *leading = items;
        return json_object_get(schema, "additionalItems");
    }
    *leading = prefix;
    return items;
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

/* Item `at`, behind a comma unless it is the first, and what follows it. */
static const struct expression *items_from(struct schema_compiler *compiler, const json_t *leading,
                                           const json_t *rest, int64_t least, int64_t most) {
    struct grammar_builder *b = compiler->builder;
    const int64_t fixed = (int64_t)json_array_size(leading), ahead = fixed > 1 ? fixed : 1;
    const int low = (int)(least > ahead ? least - ahead : 0),
              high = most < 0 ? -1 : (int)(most > ahead ? most - ahead : 0);
    const struct expression *tail = grammar_empty(b);
    if (high != 0)
        tail = grammar_repeat(b, comma(compiler, item_of(compiler, leading, rest, (size_t)ahead)), low, high);
    for (int64_t at = ahead; at-- > 0 && compiler->status == STATUS_OK;) {
        if (most >= 0 && at >= most) continue;
        const struct expression *item = item_of(compiler, leading, rest, (size_t)at);
        tail = grammar_sequence(b, at ? comma(compiler, item) : item, tail);
        if (at >= least) tail = grammar_optional(b, tail);
    }
    return tail;
}

const struct expression *schema_array(struct schema_compiler *compiler, const json_t *schema) {
    struct grammar_builder *b = compiler->builder;
    const json_t *leading, *rest = rest_of(schema, &leading);
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
    if (json_is_true(json_object_get(schema, "uniqueItems"))) {
        if (least > 1)
            return schema_refuse(compiler, STATUS_UNSUPPORTED, "uniqueItems",
                                 "is not supported for two or more items");
        most = most == 0 ? 0 : 1; /* one item is always unique */
    }
    const struct expression *items =
        most == 0 ? grammar_empty(b)
                  : items_from(compiler, leading, json_is_false(rest) ? NULL : rest, least, most);
    if (compiler->status != STATUS_OK) return NULL;
    const struct expression *space = grammar_call(b, compiler->parts.space);
    return grammar_sequence(
        b, grammar_text(b, "["),
        grammar_sequence(b, space,
                         grammar_sequence(b, items, grammar_sequence(b, space, grammar_text(b, "]")))));
}

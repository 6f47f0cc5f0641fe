/* web_text.c - HTML is parsed by libxml2, which loads nothing and repairs what is broken; its tree is walked without
 * recursion. Its work on some pages grows with the square of their bytes, as on a tag of very many attributes; so it reads
 * through a callback, for which a page that has had its time ends there. */
#include "server/search/web_text.h"

#include <libxml/HTMLparser.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

static const double parse_seconds = 0.5; /* of a processor: many times what usual pages take */

struct walk {
    struct buffer *title, *text;
    bool space;   /* one belongs before the next word */
    int newlines; /* that end the text */
    int preformatted;
};

enum tag_kind {
    TAG_PLAIN,
    TAG_SKIPPED,
    TAG_BLOCK,
    TAG_HEADING,
    TAG_ITEM,
    TAG_CELL,
    TAG_LINE,
    TAG_PREFORMATTED,
    TAG_TITLE
};

static enum tag_kind kind_of(const char *name) {
    static const struct {
        const char *name;
        enum tag_kind kind;
    } rows[] = {{"script", TAG_SKIPPED},   {"style", TAG_SKIPPED},  {"noscript", TAG_SKIPPED},
                {"template", TAG_SKIPPED}, {"svg", TAG_SKIPPED},    {"iframe", TAG_SKIPPED},
                {"object", TAG_SKIPPED},   {"nav", TAG_SKIPPED},    {"form", TAG_SKIPPED},
                {"button", TAG_SKIPPED},   {"select", TAG_SKIPPED}, {"title", TAG_TITLE},
                {"p", TAG_BLOCK},          {"div", TAG_BLOCK},      {"section", TAG_BLOCK},
                {"article", TAG_BLOCK},    {"header", TAG_BLOCK},   {"footer", TAG_BLOCK},
                {"aside", TAG_BLOCK},      {"main", TAG_BLOCK},     {"ul", TAG_BLOCK},
                {"ol", TAG_BLOCK},         {"dl", TAG_BLOCK},       {"dd", TAG_BLOCK},
                {"dt", TAG_BLOCK},         {"table", TAG_BLOCK},    {"blockquote", TAG_BLOCK},
                {"figure", TAG_BLOCK},     {"h1", TAG_HEADING},     {"h2", TAG_HEADING},
                {"h3", TAG_HEADING},       {"h4", TAG_HEADING},     {"h5", TAG_HEADING},
                {"h6", TAG_HEADING},       {"li", TAG_ITEM},        {"tr", TAG_LINE},
                {"br", TAG_LINE},          {"td", TAG_CELL},        {"th", TAG_CELL},
                {"pre", TAG_PREFORMATTED}};
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (!strcasecmp(rows[i].name, name)) return rows[i].kind;
    return TAG_PLAIN;
}

/* ---- writing ---- */

static void end_line(struct walk *walk, int newlines) {
    walk->space = false;
    if (walk->text->bytes == 0) return;
    for (; walk->newlines < newlines; walk->newlines++) buffer_append_char(walk->text, '\n');
}

static void put(struct walk *walk, const char *text, size_t bytes) {
    if (walk->space && walk->newlines == 0) buffer_append_char(walk->text, ' ');
    walk->space = false;
    buffer_append(walk->text, text, bytes);
    walk->newlines = 0;
}

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static void put_words(struct walk *walk, const char *text) {
    while (*text) {
        const size_t spaces = strspn(text, " \t\n\r\f");
        if (spaces > 0 && walk->text->bytes > 0) walk->space = true;
        text += spaces;
        size_t bytes = 0;
        while (text[bytes] && !is_space(text[bytes])) bytes++;
        if (bytes > 0) put(walk, text, bytes);
        text += bytes;
    }
}

static void put_title(struct walk *walk, const xmlNode *element) {
    const xmlNode *text = element->children;
    if (walk->title->bytes > 0 || !text || !text->content) return;
    struct walk inner = {.text = walk->title};
    put_words(&inner, (const char *)text->content);
}

/* ---- the tree ---- */

/* False: what is inside is left out. */
static bool enter(struct walk *walk, const xmlNode *node) {
    const char *name = (const char *)node->name;
    if (node->type == XML_TEXT_NODE || node->type == XML_CDATA_SECTION_NODE) {
        const char *text = node->content ? (const char *)node->content : "";
        if (walk->preformatted > 0)
            put(walk, text, strlen(text));
        else
            put_words(walk, text);
        return false;
    }
    if (node->type == XML_ENTITY_REF_NODE || node->type == XML_COMMENT_NODE || !name) return false;
    switch (node->type == XML_ELEMENT_NODE ? kind_of(name) : TAG_PLAIN) {
    case TAG_PLAIN: return true;
    case TAG_SKIPPED: return false;
    case TAG_TITLE: put_title(walk, node); return false;
    case TAG_BLOCK: end_line(walk, 2); return true;
    case TAG_LINE: end_line(walk, 1); return true;
    case TAG_HEADING:
        end_line(walk, 2);
        for (int level = name[1] - '0'; level > 0; level--) put(walk, "#", 1);
        walk->space = true;
        return true;
    case TAG_ITEM:
        end_line(walk, 1);
        put(walk, "-", 1);
        walk->space = true;
        return true;
    case TAG_CELL:
        if (walk->newlines == 0 && walk->text->bytes > 0) put(walk, " |", 2);
        walk->space = true;
        return true;
    case TAG_PREFORMATTED:
        end_line(walk, 2);
        walk->preformatted++;
        return true;
    }
    return true;
}

static void leave(struct walk *walk, const xmlNode *node) {
    if (node->type != XML_ELEMENT_NODE || !node->name) return;
    switch (kind_of((const char *)node->name)) {
    case TAG_BLOCK:
    case TAG_HEADING: end_line(walk, 2); return;
    case TAG_LINE:
    case TAG_ITEM: end_line(walk, 1); return;
    case TAG_PREFORMATTED:
        walk->preformatted--;
        end_line(walk, 2);
        return;
    default: return;
    }
}

static void walk_tree(struct walk *walk, const xmlNode *root) {
    const xmlNode *node = root;
    while (node && !walk->text->failed) {
        if (enter(walk, node) && node->children) {
            node = node->children;
            continue;
        }
        leave(walk, node);
        while (node != root && !node->next) {
            node = node->parent;
            leave(walk, node);
        }
        if (node == root) return;
        node = node->next;
    }
}

/* The encoding that the content type names; NULL: the page says it, or it is guessed. */
static const char *charset_of(const char *type, char *name, size_t bytes) {
    const char *charset = strstr(type, "charset=");
    size_t length = 0;
    if (!charset) return NULL;
    charset += strlen("charset=");
    charset += *charset == '"';
    while (charset[length] && !strchr("\"; ", charset[length])) length++;
    if (length == 0 || length >= bytes) return NULL;
    snprintf(name, bytes, "%.*s", (int)length, charset);
    return name;
}

static bool begins(const char *type, const char *with) {
    return !strncmp(type, with, strlen(with));
}

struct source {
    const char *at;
    size_t bytes; /* that are left */
    double until;
};

static double worked_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int read_source(void *context, char *to, int room) {
    struct source *source = context;
    size_t bytes = room > 0 ? (size_t)room : 0;
    if (worked_seconds() >= source->until) return 0;
    if (bytes > source->bytes) bytes = source->bytes;
    memcpy(to, source->at, bytes);
    source->at += bytes;
    source->bytes -= bytes;
    return (int)bytes;
}

static enum status text_of_html(const char *type, const char *body, size_t bytes, struct walk *walk) {
    char name[64];
    if (bytes == 0) return STATUS_OK;
    struct source source = {body, bytes, worked_seconds() + parse_seconds};
    htmlDocPtr document =
        htmlReadIO(read_source, NULL, &source, NULL, charset_of(type, name, sizeof name),
                   HTML_PARSE_RECOVER | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING | HTML_PARSE_NONET);
    if (!document) return fail(STATUS_INPUT, "the page cannot be read");
    const xmlNode *root = xmlDocGetRootElement(document);
    if (root) walk_tree(walk, root);
    xmlFreeDoc(document);
    return STATUS_OK;
}

enum status web_text(const char *type, const char *body, size_t bytes, struct buffer *title,
                     struct buffer *text) {
    struct walk walk = {.title = title, .text = text};
    const size_t kept = text->limit;
    enum status status = STATUS_OK;
    text->limit = text->bytes + WEB_TEXT_LIMIT;
    if (!*type || begins(type, "text/html") || begins(type, "application/xhtml+xml"))
        status = text_of_html(type, body, bytes, &walk);
    else if (begins(type, "text/") || begins(type, "application/json") || begins(type, "application/xml"))
        buffer_append(text, body, bytes < WEB_TEXT_LIMIT ? bytes : WEB_TEXT_LIMIT);
    else
        status = fail(STATUS_UNSUPPORTED, "the page is of the type %.60s, which is no text", type);
    while (walk.newlines > 0 && text->bytes > 0 && text->data[text->bytes - 1] == '\n')
        text->data[--text->bytes] = '\0';
    text->failed = false; /* what is there is a beginning */
    text->limit = kept;
    return status;
}

/* sheet_page.c - a sheet as one HTML page that computes itself; see sheet_write.h.
 *
 * The figures are in the page as computed here, so that it reads without scripts. Its script holds the same formulas, since
 * an expression is JavaScript as well, and runs them again whenever an input changes. Nothing is loaded from elsewhere. */
#include "plan/sheet_write.h"

#include <string.h>

static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<style>\n"
    ":root{color-scheme:light dark;--line:#8884;--bar:#4d6bfe;--dim:#595959}\n"
    "@media(prefers-color-scheme:dark){:root{--dim:#b4b4b4}}\n"
    "body{background:Canvas;color:CanvasText;font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem "
    "auto;padding:0 1rem}\n"
    "h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:1.6rem 0 .3rem}\n"
    "table{border-collapse:collapse;width:100%}td{padding:.2rem .5rem;border-top:1px solid var(--line);"
    "vertical-align:top}\n"
    "td.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums;width:11rem}\n"
    "input{font:inherit;width:9rem;text-align:right;padding:0 .3rem}\n"
    ".f,.s{display:block;color:var(--dim);font-size:.8rem}.f{font-family:ui-monospace,monospace}\n"
    ".f{overflow-wrap:anywhere}\n"
    "@media(max-width:40rem){td{border:0;padding:.1rem 0}tr{display:flex;flex-wrap:wrap;gap:0 .5rem;"
    "border-top:1px solid var(--line);padding:.3rem 0}td:first-child{width:100%}td.n{width:auto}}\n"
    ".w{border-left:3px solid var(--bar);padding-left:.8rem}\n"
    "svg{width:100%;height:auto;margin-top:1rem}svg text{font-size:13px;fill:currentColor}svg "
    "rect{fill:var(--bar)}\n"
    "</style>\n";

static const char functions[] =
    "const {min,max,floor,ceil,round,sqrt,pow}=Math;\n"
    "const choose=(c,a,b)=>c>0?a:b;\n"
    "const digits=(x,n)=>{if(!x||!isFinite(x))return x;const s=pow(10,n-1-floor(Math.log10(Math.abs(x))));"
    "return round(x*s)/s};\n"
    "const show=(x,percent)=>{if(percent)x*=100;const a=Math.abs(x);let t;"
    "if(!isFinite(x))t='-';else if(a>=1e15){const "
    "e=floor(Math.log10(a));t=+(x/pow(10,e)).toPrecision(4)+'e'+e}"
    "else if(a>=1e12)t=+(x/1e12).toPrecision(4)+' trillion';else if(a>=1e9)t=+(x/1e9).toPrecision(4)+' "
    "billion';"
    "else if(a>=1e3)t=round(x).toLocaleString('en-US');"
    "else if(percent&&a>=10&&x!==floor(x))t=x.toFixed(1);"
    "else{const exact=+x.toPrecision(6);t=''+(Math.abs(exact-x)<=a*1e-12?exact:+x.toPrecision(4))}"
    "return t+(percent?' %':'')};\n"
    "const find=s=>document.querySelector(s);\n"
    "const input=name=>{const e=find('#'+name),x=parseFloat(e.value);"
    "return e.dataset.percent?x/100:x};\n";

static const char drawing[] =
    "const draw=(v)=>{const svg=find('svg');if(!svg)return;const bars=chart.filter(b=>isFinite(v[b[0]]));"
    "const most=max(...bars.map(b=>v[b[0]]),1e-300);svg.setAttribute('viewBox','0 0 800 "
    "'+(bars.length*34+4));"
    "svg.replaceChildren();bars.forEach((b,i)=>{const add=(kind,set,text)=>{"
    "const e=document.createElementNS('http://www.w3.org/2000/svg',kind);"
    "for(const k in set)e.setAttribute(k,set[k]);if(text!==undefined)e.textContent=text;svg.append(e)};"
    "const y=i*34;add('text',{x:0,y:y+20},b[1]);"
    "add('rect',{x:360,y:y+4,width:max(1,v[b[0]]/most*320),height:22,rx:3});"
    "add('text',{x:366+max(1,v[b[0]]/most*320),y:y+20},show(v[b[0]],b[2]))})};\n"
    "const update=()=>{const v=evaluate();for(const name in v){const e=find('#out_'+name);"
    "if(e)e.textContent=show(v[name],e.dataset.percent)}"
    "for(const w of words){const e=find('#'+w[0]);e.hidden=!(w[1](v)>0);"
    "e.textContent=w[2].replace(/\\{(\\w+)\\}/g,(m,name)=>show(v[name],percents.includes(name)))}draw(v)};\n"
    "document.addEventListener('input',update);\n"
    "find('form').addEventListener('submit',e=>e.preventDefault());\n"
    "find('#first-values').addEventListener('click',()=>{find('form').reset();update()});update();\n";

static bool is_percent(const struct sheet_row *row) {
    return row->unit && !strcmp(row->unit, "%");
}

static void write_html(struct buffer *buffer, const char *text) {
    for (; text && *text; text++) {
        if (*text == '&')
            buffer_append_text(buffer, "&amp;");
        else if (*text == '<')
            buffer_append_text(buffer, "&lt;");
        else if (*text == '>')
            buffer_append_text(buffer, "&gt;");
        else if (*text == '"')
            buffer_append_text(buffer, "&quot;");
        else
            buffer_append_char(buffer, *text);
    }
}

/* In single quotes; what could end the script is escaped. */
static void write_quoted(struct buffer *buffer, const char *text) {
    buffer_append_char(buffer, '\'');
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '\'' || c == '\\' || c == '<' || c < ' ')
            buffer_printf(buffer, "\\x%02x", c);
        else
            buffer_append_char(buffer, *text);
    }
    buffer_append_char(buffer, '\'');
}

static void write_small(struct buffer *buffer, const char *class, const char *text) {
    if (!text) return;
    buffer_printf(buffer, "<span class=\"%s\">", class);
    write_html(buffer, text);
    buffer_append_text(buffer, "</span>");
}

static void write_value(struct buffer *buffer, const struct sheet *sheet, int i) {
    const struct sheet_row *row = &sheet->kind->row[i];
    char number[SHEET_NUMBER_BYTES];
    bool percent = is_percent(row);
    buffer_append_text(buffer, "<tr><td>");
    if (row->kind == ROW_INPUT) buffer_printf(buffer, "<label for=\"%s\">", row->name);
    write_html(buffer, row->label);
    if (row->kind == ROW_INPUT) buffer_append_text(buffer, "</label>");
    if (row->formula) {
        buffer_printf(buffer, "<span class=\"f\">%s = ", row->name);
        write_html(buffer, row->formula);
        buffer_append_text(buffer, "</span>");
    }
    write_small(buffer, "s", sheet->source[i] ? sheet->source[i] : row->source);
    buffer_append_text(buffer, "</td><td class=\"n\">");
    if (row->kind == ROW_INPUT)
        buffer_printf(buffer, "<input id=\"%s\"%s inputmode=\"decimal\" value=\"%.12g\">", row->name,
                      percent ? " data-percent=\"1\"" : "", sheet->value[i] * (percent ? 100 : 1));
    else
        buffer_printf(buffer, "<span id=\"out_%s\"%s>%s</span>", row->name,
                      percent ? " data-percent=\"1\"" : "", sheet_number(sheet->value[i], row->unit, number));
    buffer_append_text(buffer, "</td><td>");
    if (!percent || row->kind == ROW_INPUT) write_html(buffer, row->unit);
    if (row->published != 0)
        buffer_printf(buffer, "<span class=\"s\">published: %s</span>",
                      sheet_number(row->published, row->unit, number));
    buffer_append_text(buffer, "</td></tr>\n");
}

static void write_words(struct buffer *buffer, const struct sheet *sheet, int i) {
    struct buffer words = {0};
    sheet_write_words(&words, sheet, &sheet->kind->row[i]);
    buffer_printf(buffer, "<p class=\"w\" id=\"words_%d\"%s>", i, sheet->value[i] > 0 ? "" : " hidden");
    if (!words.failed) write_html(buffer, words.data);
    buffer_append_text(buffer, "</p>\n");
    buffer_free(&words);
}

static void write_rows(struct buffer *buffer, const struct sheet *sheet) {
    bool table = false;
    for (int i = 0; i < sheet->kind->rows; i++) {
        const struct sheet_row *row = &sheet->kind->row[i];
        bool value = row->kind == ROW_INPUT || row->kind == ROW_RESULT;
        if (value != table) buffer_append_text(buffer, value ? "<table>\n" : "</table>\n");
        table = value;
        if (value) write_value(buffer, sheet, i);
        if (row->kind == ROW_WORDS) write_words(buffer, sheet, i);
        if (row->kind == ROW_HEADING) {
            buffer_append_text(buffer, "<h2>");
            write_html(buffer, row->label);
            buffer_append_text(buffer, "</h2>\n");
        }
    }
    if (table) buffer_append_text(buffer, "</table>\n");
}

/* One constant for each row, in order: formulas are JavaScript as they stand. */
static void write_formulas(struct buffer *buffer, const struct sheet *sheet) {
    buffer_append_text(buffer, "const evaluate=()=>{const v={};\n");
    for (int i = 0; i < sheet->kind->rows; i++) {
        const struct sheet_row *row = &sheet->kind->row[i];
        if (row->kind == ROW_INPUT)
            buffer_printf(buffer, "const %s=v.%s=input('%s');\n", row->name, row->name, row->name);
        if (row->kind == ROW_RESULT)
            buffer_printf(buffer, "const %s=v.%s=%s;\n", row->name, row->name, row->formula);
    }
    buffer_append_text(buffer, "return v};\nconst words=[\n");
    for (int i = 0; i < sheet->kind->rows; i++) {
        const struct sheet_row *row = &sheet->kind->row[i];
        if (row->kind != ROW_WORDS) continue;
        buffer_printf(buffer, "['words_%d',({", i);
        for (int name = 0, first = 1; name < i; name++)
            if (sheet->kind->row[name].name && strstr(row->formula, sheet->kind->row[name].name)) {
                buffer_printf(buffer, first ? "%s" : ",%s", sheet->kind->row[name].name);
                first = 0;
            }
        buffer_printf(buffer, "})=>%s,", row->formula);
        write_quoted(buffer, row->label);
        buffer_append_text(buffer, "],\n");
    }
    buffer_append_text(buffer, "];\nconst percents=[");
    for (int i = 0; i < sheet->kind->rows; i++)
        if (is_percent(&sheet->kind->row[i])) buffer_printf(buffer, "'%s',", sheet->kind->row[i].name);
    buffer_append_text(buffer, "];\n");
}

static void write_chart(struct buffer *buffer, const struct sheet *sheet) {
    const char *at = sheet->kind->chart ? sheet->kind->chart : "";
    buffer_append_text(buffer, "const chart=[\n");
    while (*at) {
        char name[64];
        size_t bytes = strcspn(at, " ");
        MUST(bytes < sizeof name);
        memcpy(name, at, bytes);
        name[bytes] = 0;
        int of = sheet_find(sheet->kind, name);
        MUST(of >= 0);
        buffer_printf(buffer, "['%s',", name);
        write_quoted(buffer, sheet->kind->row[of].label);
        buffer_append_text(buffer, is_percent(&sheet->kind->row[of]) ? ",true],\n" : ",false],\n");
        at += bytes + (at[bytes] == ' ');
    }
    buffer_append_text(buffer, "];\n");
}

void sheet_write_page(struct buffer *buffer, const struct sheet *sheet) {
    buffer_append_text(buffer, head);
    buffer_append_text(buffer, "<title>");
    write_html(buffer, sheet->kind->title);
    buffer_append_text(buffer, "</title></head><body><main>\n<h1>");
    write_html(buffer, sheet->kind->title);
    buffer_append_text(buffer, "</h1>\n<p>");
    write_html(buffer, sheet->subject ? sheet->subject : sheet->kind->summary);
    buffer_append_text(buffer, "</p>\n");
    if (sheet->kind->chart)
        buffer_append_text(
            buffer, "<svg role=\"img\" aria-label=\"The main figures as bars; they stand in the tables "
                    "too.\" viewBox=\"0 0 800 100\"></svg>\n");
    buffer_append_text(buffer, "<form>\n");
    write_rows(buffer, sheet);
    buffer_append_text(
        buffer,
        "<p><button type=\"button\" id=\"first-values\">Back to the first values</button></p></form></main>\n"
        "<script>\n'use strict';\n");
    buffer_append_text(buffer, functions);
    write_formulas(buffer, sheet);
    write_chart(buffer, sheet);
    buffer_append_text(buffer, drawing);
    buffer_append_text(buffer, "</script></body></html>\n");
}

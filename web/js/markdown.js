/* markdown.js - a text that grows, as elements.
 *
 * Blocks that can no longer change are made once; while the text grows only the last block is parsed again. Whatever the
 * text contains, its HTML goes through DOMPurify with a short list of what is allowed; pictures become links, because
 * loading one would tell its host that this text was read. */
import '../lib/marked.js';
import { cleanMarkdown } from './sanitize.js';
import { el, icon, copyText } from './dom.js';
import { t } from './text.js';
import { showMaths } from './maths.js';
import { highlight } from './code.js';

const { marked } = globalThis;

const escapes = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escapeHtml = (text) => text.replace(/[&<>"']/g, (character) => escapes[character]);

/* ---- maths: $$..$$, \[..\], $..$ and \(..\), which Markdown would otherwise take apart ---- */

const maths = (tex, display) => `<span data-tex="${escapeHtml(tex)}"${display ? ' data-display="1"' : ''}></span>`;

const mathsBlock = {
    name: 'mathsBlock',
    level: 'block',
    start: (text) => text.match(/\$\$|\\\[/)?.index,
    tokenizer(text) {
        const match = /^(?:\$\$([\s\S]+?)\$\$|\\\[([\s\S]+?)\\\])[ \t]*(?:\n|$)/.exec(text);
        return match ? { type: 'mathsBlock', raw: match[0], tex: match[1] ?? match[2] } : undefined;
    },
    renderer: (token) => `<p>${maths(token.tex, true)}</p>`,
};

const mathsInline = {
    name: 'mathsInline',
    level: 'inline',
    start: (text) => text.match(/\$|\\\(|\\\[/)?.index,
    tokenizer(text) {
        // A dollar sign before a digit is mostly money: behind the closing one there must be none.
        const match = /^(?:\$\$([^$\n]+?)\$\$|\\\[([\s\S]+?)\\\]|\\\(([\s\S]+?)\\\)|\$(?![\s$])((?:\\.|[^$\\\n])+?)(?<!\s)\$(?!\d))/.exec(text);
        if (!match) return undefined;
        return { type: 'mathsInline', raw: match[0], tex: match[1] ?? match[2] ?? match[3] ?? match[4], display: match[1] !== undefined || match[2] !== undefined };
    },
    renderer: (token) => maths(token.tex, token.display),
};

/* ---- [citation:3] ---- */

const citation = {
    name: 'citation',
    level: 'inline',
    start: (text) => text.indexOf('[citation:'),
    tokenizer(text) {
        const match = /^\[citation:(\d{1,3})\]/.exec(text);
        return match ? { type: 'citation', raw: match[0], number: match[1] } : undefined;
    },
    renderer: (token) => `<sup data-citation="${token.number}"></sup>`,
};

/* While a text grows, its end may be the beginning of a mark: that is not shown yet. */
function withoutBegunMark(text) {
    const at = text.lastIndexOf('[');
    const end = at < 0 ? '' : text.slice(at);
    return end && /^\[(c(i(t(a(t(i(o(n(:\d{0,3})?)?)?)?)?)?)?)?)?$/.test(end) ? text.slice(0, at) : text;
}

/* A chip that leads to its page; numbers of no page are dropped. */
function showCitations(fragment, sources) {
    for (const mark of fragment.querySelectorAll('[data-citation]')) {
        const number = Number(mark.dataset.citation);
        const source = sources[number - 1];
        if (!source || !/^https?:/i.test(source.url)) mark.remove();
        else mark.replaceWith(el('a', { class: 'citation', href: source.url, title: source.title || source.url, target: '_blank', rel: 'noopener noreferrer nofollow', 'aria-label': t('source', { number, title: source.title || source.url }) }, String(number)));
    }
}

marked.use({
    extensions: [mathsBlock, mathsInline, citation],
    gfm: true,
    breaks: false,
    mangle: false,
    headerIds: false,
    renderer: {
        image: (href, title, text) => `<a href="${escapeHtml(href || '')}">${escapeHtml(text || href || '')}</a>`,
        code: (code, info) => `<pre data-language="${escapeHtml((info || '').trim().split(/\s+/)[0])}"><code>${escapeHtml(code)}\n</code></pre>`,
        checkbox: (checked) => (checked ? '☑ ' : '☐ '),
    },
});

/* ---- one block ---- */

function dressLinks(fragment) {
    for (const link of fragment.querySelectorAll('a')) {
        if (!link.getAttribute('href')) {
            link.replaceWith(...link.childNodes); // what it pointed to was not allowed
            continue;
        }
        link.target = '_blank';
        link.rel = 'noopener noreferrer nofollow';
    }
}

function codeBox(pre) {
    const language = pre.dataset.language || '';
    const code = pre.querySelector('code') || pre;
    const label = el('span', {}, t('copyCode'));
    const button = el('button', { type: 'button', class: 'text-button' }, icon('copy'), label);
    button.addEventListener('click', async () => {
        await copyText(code.textContent.replace(/\n$/, ''));
        label.textContent = t('copied');
        setTimeout(() => (label.textContent = t('copyCode')), 1500);
    });
    const box = el('div', { class: 'code-box' }, el('div', { class: 'code-head' }, el('span', {}, language || t('codeText')), button));
    pre.replaceWith(box);
    pre.tabIndex = 0; // it may scroll sideways
    pre.setAttribute('role', 'region');
    pre.setAttribute('aria-label', t('codeOf', { language }));
    box.append(pre);
    return { box, code, language };
}

function dress(fragment, settled, sources) {
    dressLinks(fragment);
    showCitations(fragment, sources);
    for (const pre of fragment.querySelectorAll('pre')) {
        const { code, language } = codeBox(pre);
        if (settled) highlight(code, language);
    }
    for (const table of fragment.querySelectorAll('table')) {
        const frame = el('div', { class: 'table-frame', tabindex: '0', role: 'region', 'aria-label': t('table') });
        table.replaceWith(frame);
        frame.append(table);
    }
    if (fragment.querySelector('[data-tex]')) showMaths(fragment.querySelectorAll('[data-tex]'));
}

function makeBlock(token, links, settled, sources) {
    const tokens = [token];
    tokens.links = links;
    const fragment = cleanMarkdown(marked.parser(tokens));
    dress(fragment, settled, sources);
    return [...fragment.childNodes];
}

/* ---- a text that grows ---- */

/** Shows what it is given in `root`. update() may be called as often as one likes; finish() when no more comes. */
export class Markdown {
    constructor(root) {
        this.root = root;
        this.sources = []; // pages that citations lead to
        this.text = '';
        this.complete = false;
        this.settled = 0; // characters whose blocks are final
        this.loose = []; // nodes of the last block
        this.code = null; // the code element of a fence that is still open
    }

    update(text) {
        if (text === this.text) return;
        if (this.complete || !text.startsWith(this.text)) this.reset();
        this.text = text;
        this.render(false);
    }

    finish() {
        if (!this.complete) this.render(true);
        this.complete = true;
    }

    reset() {
        this.root.replaceChildren();
        this.complete = false;
        this.settled = 0;
        this.loose = [];
        this.code = null;
    }

    render(complete) {
        const rest = this.text.slice(this.settled);
        const tokens = marked.lexer(complete ? rest : withoutBegunMark(rest));
        let last = tokens.length - 1;
        while (last > 0 && tokens[last].type === 'space') last--; // a list may go on behind a blank line
        if (complete) last = tokens.length;
        if (last === 0 && this.growCode(tokens[0])) return;
        for (const node of this.loose) node.remove();
        this.loose = [];
        this.code = null;
        tokens.forEach((token, i) => {
            if (i > last) return;
            const nodes = makeBlock(token, tokens.links, i < last, this.sources);
            this.root.append(...nodes);
            if (i < last) this.settled += token.raw.length;
            else this.loose = nodes;
        });
        this.code = tokens[last]?.type === 'code' ? this.root.lastElementChild?.querySelector('code') : null;
    }

    /* A long listing is not built anew for each of its words. */
    growCode(token) {
        const node = this.code?.firstChild;
        if (!node || token.type !== 'code') return false;
        const text = `${token.text}\n`;
        const same = node.data.length - 1; // its last character is the line's end
        if (!text.startsWith(node.data.slice(0, same))) return false;
        node.replaceData(same, 1, text.slice(same));
        return true;
    }
}

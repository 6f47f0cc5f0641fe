/* maths.js - formulas. KaTeX is loaded when the first one is met; it builds elements itself, from its own commands alone. */
let library = null;

function load() {
    const style = document.createElement('link');
    style.rel = 'stylesheet';
    style.href = new URL('../lib/katex.css', import.meta.url).href;
    document.head.append(style);
    return import('../lib/katex.js').then(() => globalThis.katex);
}

export async function showMaths(elements) {
    const waiting = [...elements];
    for (const element of waiting) if (!element.firstChild) element.textContent = element.dataset.tex;
    library ??= load();
    const katex = await library.catch(() => {
        library = null; // the server was away: the next formula tries again
        return null;
    });
    if (!katex) return;
    for (const element of waiting) {
        const options = { displayMode: element.dataset.display === '1', throwOnError: false, trust: false, strict: 'ignore', maxSize: 40, maxExpand: 500 };
        try {
            katex.render(element.dataset.tex, element, options);
        } catch {
            element.textContent = element.dataset.tex;
        }
    }
}

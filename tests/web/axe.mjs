/* axe.mjs - what axe has to say of a page. */
import { createRequire } from 'node:module';
import { readFile } from 'node:fs/promises';

const axeSource = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Its script is run by the test, past the page's policy. */
export async function violations(page) {
    await page.evaluate(axeSource);
    return page.evaluate(async () => {
        const { violations: found } = await window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] });
        return found.map((one) => `${one.id}: ${one.nodes.slice(0, 3).map((node) => `${node.target} ${node.any[0]?.message || ''}`).join(', ')}`);
    });
}

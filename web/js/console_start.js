/* console_start.js - a first request, in the shell and in two languages. */
import { copyText, el } from './dom.js';
import { button } from './figures.js';
import { t } from './text.js';

function snippets(base, model) {
    return [
        ['curl', `export HADAL_API_KEY=sk-...\n\ncurl ${base}/chat/completions \\\n  -H "Authorization: Bearer $HADAL_API_KEY" \\\n  -H "Content-Type: application/json" \\\n  -d '{"model": "${model}", "messages": [{"role": "user", "content": "Hello"}]}'`],
        ['Python', `# pip install openai\nimport os\nfrom openai import OpenAI\n\nclient = OpenAI(api_key=os.environ["HADAL_API_KEY"], base_url="${base}")\nstream = client.chat.completions.create(\n    model="${model}",\n    messages=[{"role": "user", "content": "Hello"}],\n    stream=True,\n)\nfor chunk in stream:\n    if chunk.choices:\n        print(chunk.choices[0].delta.content or "", end="", flush=True)`],
        ['Node.js', `// npm install openai\nimport OpenAI from 'openai';\n\nconst client = new OpenAI({ apiKey: process.env.HADAL_API_KEY, baseURL: '${base}' });\nconst answer = await client.chat.completions.create({\n    model: '${model}',\n    messages: [{ role: 'user', content: 'Hello' }],\n});\nconsole.log(answer.choices[0].message.content, answer.usage);`],
    ];
}

function codeBox(name, code) {
    const copy = button(t('copy'), async () => {
        await copyText(code);
        copy.textContent = t('copied');
    });
    copy.className = 'text-button';
    copy.setAttribute('aria-label', `${t('copy')}: ${name}`);
    return el('div', { class: 'code-box' }, el('div', { class: 'code-head' }, el('span', {}, name), copy), el('pre', { tabindex: '0', role: 'region', 'aria-label': t('codeOf', { language: name }) }, el('code', {}, code)));
}

export async function renderStart(box, panel) {
    const models = await panel.models();
    const base = `${location.origin}/v1`;
    const chosen = models.find((model) => model === 'deepseek-chat') || models[0] || 'deepseek-chat';
    box.append(
        el('p', { class: 'lead' }, t('startLead'), ' ', el('code', {}, base)),
        ...snippets(base, chosen).map(([name, code]) => codeBox(name, code)),
        el('p', { class: 'lead' }, t('startModels'), ' ', ...models.flatMap((model) => [el('code', {}, model), ' '])),
        el('p', { class: 'lead' }, t('startAnthropic'), ' ', el('code', {}, `${location.origin}/anthropic`)),
    );
}

// turns.mjs URL RULES [spaced] - conversations of three turns, as clients hold them: what they send again was computed before, up to the
// last token of the answer, or up to where the family's template drops its reasoning. A rule is THINKING=WHAT: on, off or
// on+back, which sends reasoning back, and keeps or drops.
// spaced: every piece of an answer begins with a space, as answers of V2 do. Prints what went wrong, and figures.
const [url, rules, spaced] = process.argv.slice(2);
const headers = { 'content-type': 'application/json' };
let wrong = 0;
const complain = text => { wrong++; console.log('wrong: ' + text); };
const post = async (path, body) => {
    const r = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) });
    if (r.status !== 200) throw new Error(`status ${r.status}: ${(await r.text()).slice(0, 300)}`);
    return r.json();
};
// Pieces that the tokenizer would not always cut as they are sampled.
const words = [' the', ' a', ' t', ' h', ' i', ' s', ' w', ' o', ...(spaced ? [] : ['t', 'h', 'e', 'r', 'i', 'n'])];
const tokens = (await Promise.all(words.map(word => post('/tokenize', { content: word })))).map(r => r.tokens).filter(t => t.length === 1);
const bias = Object.fromEntries(tokens.map(([id]) => [id, 100]));
// Fewer rows of a page than eight are computed again. The answer's last token was never computed; and
// templates begin an answer with up to eight tokens that history has not.
const kept = count => (count % 64 < 8 ? count - (count % 64) : count);
const least = (count, without) => Math.min(...without.map(tokens => kept(count - tokens)));

for (const rule of rules.split(',')) {
    const [thinking, what] = rule.split('='), on = thinking !== 'off';
    const messages = [{ role: 'system', content: 'Speak of the sea. '.repeat(12) }];
    let before = 0, prompt = 0;
    const shares = [];
    for (let turn = 0; turn < 3; turn++) {
        messages.push({ role: 'user', content: `What lies at a depth of ${turn + 6},000 metres? ` + 'Say more. '.repeat(turn * 5) });
        const ask = { model: 'deepseek-chat', user_id: thinking.replace('+', '-'), messages, temperature: 1, seed: turn, ignore_eos: true, thinking: { type: on ? 'enabled' : 'disabled', ...(on && { budget_tokens: 40 }) } };
        const { choices: [{ message }], usage } = await post('/v1/chat/completions', { ...ask, max_tokens: 150, logit_bias: bias });
        const hit = usage.prompt_cache_hit_tokens;
        const wanted = what === 'keeps' ? least(before, [1]) : least(prompt, [1, 2, 3, 4, 5, 6, 7, 8]);
        if (turn && hit < wanted) complain(`${rule}, turn ${turn + 1}: ${hit} of ${usage.prompt_tokens} tokens hit, ${before} were computed, ${prompt} of them of the prompt`);
        if (turn) shares.push(`${hit}/${usage.prompt_tokens}`);
        if (on !== Boolean(message.reasoning_content)) complain(`${rule}: reasoning ${JSON.stringify(message.reasoning_content)?.slice(0, 60)}`);
        if (!message.content) complain(`${rule}: no answer`);
        before = usage.prompt_tokens + usage.completion_tokens;
        prompt = usage.prompt_tokens;
        messages.push({ role: 'assistant', content: message.content, ...(thinking === 'on+back' && { reasoning_content: message.reasoning_content ?? '' }) });
    }
    console.log(`${rule}: ${shares.join(', ')} tokens`);
}
process.exit(wrong ? 1 : 0);

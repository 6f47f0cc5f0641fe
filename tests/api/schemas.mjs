// schemas.mjs URL KEY SCHEMAS [all] - answers that follow the schemas of BFCL's tools, as formats and as arguments of strict
// tools, and of the JSON-Schema-Test-Suite: a part of them, or all. ajv checks them; what the suite itself says of a value
// counts more. Prints totals, what is wrong, and how many schemas of each keyword were taken.
//
// Answers have a room in which most end by themselves, the model being led to it, or one in which they have to be brought to
// their end: both for the suite, the first for formats and the second for arguments of BFCL's.
import fs from 'node:fs';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import Ajv from 'ajv';
import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

const [url, key, folder, mode] = process.argv.slice(2), all = mode === 'all';
const send = (where, body) => fetch(url + where, { method: 'POST', headers: { authorization: `Bearer ${key}` }, body: JSON.stringify(body) });

// The model is one of verse: what ends strings and lists is made likelier, or few answers would come to an end of their own.
const led = {};
for (const [text, more] of [['"', 12], ['}', 8], [']', 8], ['{', -2], ['[', -1]]) {
    const { tokens } = await (await send('/tokenize', { content: text })).json();
    if (tokens.length === 1) led[tokens[0]] = more;
}
const wide = { room: 250, logit_bias: led }, narrow = { room: 80, logit_bias: {} }, most = 1500;
const { context } = await (await fetch(url + '/capabilities')).json();

// Types as languages call them, which BFCL has.
const names = { dict: 'object', float: 'number', tuple: 'array', list: 'array', bool: 'boolean', int: 'integer' };
const standard = schema => {
    if (Array.isArray(schema)) return schema.map(standard);
    if (typeof schema !== 'object' || schema === null) return schema;
    const copy = Object.fromEntries(Object.entries(schema).map(([name, value]) =>
        [name, ['enum', 'const', 'default', 'required', 'examples'].includes(name) ? value : standard(value)]));
    if (copy.type === 'any') delete copy.type;
    if (typeof copy.type === 'string') copy.type = names[copy.type] ?? copy.type;
    delete copy.optional;
    return copy;
};

const cases = [], seen = new Set();
for (const file of fs.readdirSync(path.join(folder, 'bfcl')).filter(f => f.endsWith('.json'))) {
    let count = 0;
    for (const line of fs.readFileSync(path.join(folder, 'bfcl', file), 'utf8').split('\n').filter(Boolean))
        for (const { name, parameters } of [JSON.parse(line).function].flat()) {
            if (seen.has(JSON.stringify(parameters)) || !seen.add(JSON.stringify(parameters)) || (!all && count++ % 400)) continue;
            for (const kind of ['format', 'tool'])
                cases.push({ group: `bfcl as ${kind}`, name: `${file} ${name}`, ways: kind === 'tool' ? [narrow] : [wide], tool: kind === 'tool' && name.replace(/[^A-Za-z0-9_-]/g, '_').slice(0, 64), schema: parameters, draft: '', tests: [] });
        }
}
for (const draft of ['draft7', 'draft2020-12'])
    for (const file of fs.readdirSync(path.join(folder, 'json-schema-test-suite/tests', draft)).filter(f => f.endsWith('.json')))
        JSON.parse(fs.readFileSync(path.join(folder, 'json-schema-test-suite/tests', draft, file))).forEach(({ description, schema, tests }, index) => {
            if (all || index % 17 === 1)
                cases.push({ group: `${draft}/${file.slice(0, -5)}`, ways: [wide, narrow], name: `${draft}/${file}: ${description}`, schema, draft, tests });
        });

const validator = ({ schema, draft }) => {
    const ajv = new (draft === 'draft2020-12' ? Ajv2020 : Ajv)({ strict: false, validateFormats: draft !== 'draft2020-12', logger: false });
    addFormats(ajv);
    try { return ajv.compile(draft ? schema : standard(schema)); } catch { return undefined; }
};

const count = { valid: 0, ended: 0, wrong: 0, short: 0, endless: 0, unchecked: 0 };
const tally = new Map(), reasons = new Map(), notes = { wrong: [], overruled: [], short: [], endless: [] };

const ask = async (test, seed, { logit_bias }, max_tokens) => {
    const form = test.tool ? { tools: [{ type: 'function', function: { name: test.tool, strict: true, parameters: test.schema } }], tool_choice: { type: 'function', function: { name: test.tool } } }
        : { response_format: { type: 'json_schema', json_schema: { name: 's', schema: test.schema } } };
    const reply = await send('/v1/chat/completions', { model: 'deepseek-chat', messages: [{ role: 'user', content: 'json' }], max_tokens, seed, temperature: 1.2, logit_bias, ...form });
    const body = await reply.json();
    if (reply.status === 400) return { refused: body.error.message.replace(/^(response_format[^:]*|tools: the parameters of [^:]*): /, '') };
    if (reply.status !== 200) throw new Error(`${test.name}: status ${reply.status}: ${JSON.stringify(body)}`);
    const { message: { content, tool_calls }, finish_reason } = body.choices[0];
    const text = test.tool && tool_calls ? tool_calls[0].function.arguments : content;
    if (typeof text !== 'string') throw new Error(`${test.name}: no answer: ${JSON.stringify(body)}`);
    if (finish_reason !== 'length' && finish_reason !== (test.tool ? 'tool_calls' : 'stop')) throw new Error(`${test.name}: ended by ${finish_reason}: ${text}`);
    return { text, cut: finish_reason === 'length', left: context - body.usage.prompt_tokens };
};

const parse = text => { try { return { value: JSON.parse(text) }; } catch { return undefined; } };

// What the suite says of a value, then ajv.
const judge = (test, validate, value, text) => {
    const known = test.tests.find(({ data }) => isDeepStrictEqual(data, value));
    if (!validate && !known) return 'unchecked';
    const ok = validate?.(value) ?? known.valid;
    if (known?.valid && !ok) notes.overruled.push(`${test.name}: ${text}`);
    if (known?.valid ?? ok) return 'valid';
    notes.wrong.push(`${test.name}: ${text.slice(0, 300)}: ${known ? 'the suite' : JSON.stringify(validate.errors)?.slice(0, 300)}`);
    return 'wrong';
};

const one = async test => {
    const row = tally.get(test.group) ?? { taken: 0, refused: 0 };
    tally.set(test.group, row);
    let validate;
    for (const [index, way] of test.ways.entries()) {
        let answer = await ask(test, index + 1, way, way.room), parsed;
        if (answer.refused) {
            const why = `${answer.refused}${test.tests.some(({ valid }) => !valid) && !test.tests.some(({ valid }) => valid) ? ' (and the suite has no valid value)' : ''}`;
            row.refused++;
            reasons.set(why, (reasons.get(why) ?? 0) + 1);
            return;
        }
        if (!index) {
            row.taken++;
            validate = validator(test);
        }
        // Whatever fits comes to an end: what does not is longer, however it is said.
        if (!(parsed = parse(answer.text)) && answer.cut) {
            count.short++;
            notes.short.push(`${test.name}: ${way.room}`);
            answer = await ask(test, index + 1, way, Math.min(most, answer.left));
            parsed = parse(answer.text);
        }
        const what = parsed ? judge(test, validate, parsed.value, answer.text) : answer.cut ? 'endless' : 'wrong';
        count[what]++;
        count.ended += what === 'valid' && answer.cut;
        if (!parsed) notes[what].push(`${test.name}: ${answer.text.slice(0, 300)}`);
    }
};
await Promise.all(Array.from({ length: 8 }, async () => {
    for (let test; (test = cases.pop());) await one(test).catch(error => { count.wrong++; notes.wrong.push(error.message); });
}));

const sum = what => [...tally.values()].reduce((total, row) => total + row[what], 0);
const totals = `${sum('taken')} schemas taken, ${sum('refused')} refused; ${count.valid} answers valid, ${count.ended} of them brought to their end, ${count.wrong} wrong, ${count.endless} without an end in ${most} tokens, ${count.unchecked} that ajv cannot check; ${count.short} did not fit at first, ${notes.overruled.length} of ajv's refusals overruled by the suite`;
console.log(totals);
for (const [what, list] of Object.entries(notes)) for (const note of list) if (all || what !== 'short') console.log(`${what}: ${note}`);
for (const [group, { taken, refused }] of [...tally].sort()) console.log(`${group}: ${taken} of ${taken + refused} taken`);
for (const [why, times] of [...reasons].sort((a, b) => b[1] - a[1])) console.log(`refused ${times}: ${why}`);
process.exit(count.wrong || count.endless || !count.valid ? 1 : 0);

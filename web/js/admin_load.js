/* admin_load.js - what the server is doing now. The server says counters and its clock; what lies between two answers is the
 * speed. */
import { el } from './dom.js';
import { lineChart } from './chart.js';
import { count, percent, short, tiles } from './figures.js';
import { errorText } from './panel.js';
import { number, t } from './text.js';

const PERIOD = 2000; // milliseconds

function meter(label) {
    const bar = el('span');
    const box = el('div', { class: 'meter', role: 'meter', 'aria-label': label, 'aria-valuemin': '0', 'aria-valuemax': '100', 'aria-valuenow': '0' }, bar);
    return {
        box,
        set(share) {
            bar.style.width = `${Math.round(share * 100)}%`;
            box.setAttribute('aria-valuenow', String(Math.round(share * 100)));
        },
    };
}

function liveTile(title) {
    const value = el('span', { class: 'tile-value' }, '–');
    const note = el('span', { class: 'tile-note' });
    const body = el('dd', {}, value, note);
    return { element: el('div', { class: 'tile' }, el('dt', {}, title), body), body, set: (text, said) => ((value.textContent = text), (note.textContent = said || '')) };
}

const rate = (now, before, name) => (now.seconds > before.seconds ? (now[name] - before[name]) / (now.seconds - before.seconds) : 0);

export async function renderLoad(box, panel) {
    const parts = Object.fromEntries(['running', 'waiting', 'speed', 'prefill', 'hitRate', 'pages', 'busy', 'refused'].map((name) => [name, liveTile(t(`load_${name}`))]));
    const used = meter(t('load_pages'));
    parts.pages.body.append(used.box);
    const chart = lineChart(t('load_chart'), (value) => short(value));
    const said = el('p', { class: 'error', role: 'alert', hidden: true });
    box.append(el('p', { class: 'lead' }), said, tiles(...Object.values(parts).map((part) => part.element)), chart.figure);
    let before = null;
    let timer = 0;
    let left = false;
    const paint = (now) => {
        box.querySelector('.lead').textContent = t('loadLead', { model: now.model, context: count(now.context) });
        parts.running.set(`${now.running} / ${now.parallel}`, t('load_runningNote'));
        parts.waiting.set(count(now.waiting));
        const prompts = before ? now.prompt_tokens - before.prompt_tokens : 0;
        const lately = prompts ? t('load_lately', { share: percent((now.hit_tokens - before.hit_tokens) / prompts) }) : '';
        parts.hitRate.set(now.prompt_tokens ? percent(now.hit_tokens / now.prompt_tokens) : '–', lately || t('load_sinceStart'));
        const taken = now.pages - now.free_pages;
        parts.pages.set(`${count(taken)} / ${count(now.pages)}`, t('load_cached', { count: count(now.cached_pages) }));
        used.set(now.pages ? taken / now.pages : 0);
        parts.refused.set(count(now.refused), t('load_accepted', { count: count(now.requests) }));
        if (before) {
            const speed = rate(now, before, 'generated_tokens');
            const prefill = rate({ ...now, fresh: now.prompt_tokens - now.hit_tokens }, { ...before, fresh: before.prompt_tokens - before.hit_tokens }, 'fresh');
            parts.speed.set(number(speed, 1), t('load_all', { count: short(now.generated_tokens) }));
            parts.prefill.set(number(prefill, 1), t('load_prefillNote'));
            parts.busy.set(percent(Math.min(1, rate(now, before, 'step_seconds'))), t('load_busyNote'));
            chart.add(speed);
        }
        before = now;
    };
    const ask = async () => {
        try {
            const now = await panel.act('/admin/load');
            if (left) return;
            said.hidden = true;
            paint(now);
        } catch (error) {
            if (left) return;
            if (error.status === 401) return panel.signOut();
            said.hidden = false;
            said.textContent = errorText(error);
        }
        timer = setTimeout(ask, PERIOD);
    };
    await ask();
    return () => {
        left = true;
        clearTimeout(timer);
    };
}

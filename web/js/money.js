/* money.js - what an answer cost, from its usage and the prices that the user gave or the server says. */
import { preference } from './preferences.js';
import { locale } from './text.js';

let served = null; // { currency, hit, miss, output } for a million tokens

export function setServedPrices(prices) {
    served = prices || null;
}

function prices() {
    const own = preference('prices');
    const given = [own.hit, own.miss, own.output].some((price) => price !== '' && price !== undefined);
    return given ? own : served;
}

/** As text with its currency; null where no prices are known. */
export function costOf(usage) {
    const price = prices();
    if (!price || !usage) return null;
    const hit = usage.prompt_cache_hit_tokens || 0;
    const miss = usage.prompt_cache_miss_tokens ?? usage.prompt_tokens - hit;
    const cost = (hit * (Number(price.hit) || 0) + miss * (Number(price.miss) || 0) + usage.completion_tokens * (Number(price.output) || 0)) / 1e6;
    const digits = { minimumFractionDigits: 2, maximumFractionDigits: 6 };
    try {
        return new Intl.NumberFormat(locale(), { style: 'currency', currency: price.currency || 'USD', ...digits }).format(cost);
    } catch {
        return `${new Intl.NumberFormat(locale(), digits).format(cost)} ${price.currency}`; // no code of a currency
    }
}

// The uplink as the frame asked for it last, for whoever shows it in a word. The frame asks, nobody else.

import type { Uplink } from '../api/types';

class UplinkNow {
  known = $state.raw<Uplink | null>(null);
}

export const uplinkNow = new UplinkNow();

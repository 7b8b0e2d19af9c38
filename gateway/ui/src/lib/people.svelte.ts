// Who an actor of the log is, in words: `person:elin` by name where this page knows it, the box's own parts as the box.

import { api, ApiFailure } from '../api';
import { common } from '../strings/common';
import { session } from './session.svelte';

class People {
  #names = $state.raw(new Map<string, string>());
  #asked = false;

  /** Loads the names once, for those who may see them; everybody else sees ids. */
  async find(): Promise<void> {
    if (this.#asked || !session.allowed('audit')) return;
    this.#asked = true;
    try {
      const { items } = await api.users();
      this.#names = new Map(items.flatMap((user) => [[user.id, user.name] as const, [user.login, user.name] as const]));
    } catch (failure) {
      if (!(failure instanceof ApiFailure)) throw failure;
      this.#asked = false; // names are a convenience: ids say the same
    }
  }

  /** `person:elin` as "Elin Lund", `system:pipeline` as "the box (pipeline)". */
  actor(label: string | null | undefined): string {
    if (!label) return '—';
    const [kind, id = ''] = label.split(/:(.*)/s);
    switch (kind) {
      case 'person':
        return this.#names.get(id) ?? (session.current?.user.id === id ? session.current.user.name : id);
      case 'api-key':
        return common.actorKey(id);
      case 'system':
        return common.actorBox(id);
      case 'device':
        return id;
      case 'console':
        return common.actorConsole;
      case 'anonymous':
        return common.actorNobody;
      default:
        return label;
    }
  }
}

export const people = new People();

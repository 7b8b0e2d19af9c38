// Who is signed in. The cookie is the box's; the page only knows the name and role that belong to it.

import { api, ApiFailure } from '../api';
import type { Session } from '../api/types';
import { box, watchContact } from './box.svelte';
import { place } from './location.svelte';
import { can, type Ability } from './roles';

class SignedIn {
  current = $state.raw<Session | null>(null);
  /** False until the box said whether somebody is signed in. */
  known = $state(false);
  setupNeeded = $state(false);

  constructor() {
    watchContact(() => this.#gone());
  }

  /** Asks the box who is signed in and whether it was set up. */
  async find(): Promise<void> {
    try {
      this.take(await api.session());
    } catch (failure) {
      if (!(failure instanceof ApiFailure)) throw failure;
      if (failure.unreachable) return;
      this.current = null;
      await this.#findSetup();
    }
    this.known = true;
  }

  take(session: Session): void {
    this.current = session;
    this.known = true;
    this.setupNeeded = false;
    box.start();
  }

  can(ability: Ability): boolean {
    return this.current !== null && can(this.current.user.role, ability);
  }

  async leave(): Promise<void> {
    await api.signOut().catch((failure: unknown) => {
      if (!(failure instanceof ApiFailure) || failure.unreachable) throw failure;
    });
    this.#gone();
    place.go('/sign-in');
  }

  async #findSetup(): Promise<void> {
    try {
      this.setupNeeded = (await api.setup()).needed;
    } catch (failure) {
      if (!(failure instanceof ApiFailure)) throw failure;
      this.setupNeeded = false;
    }
  }

  #gone(): void {
    this.current = null;
    box.stop();
  }
}

export const session = new SignedIn();

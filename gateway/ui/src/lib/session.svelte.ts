// Who is signed in. The cookie is the box's; the page only knows the name and role that belong to it.

import { api, ApiFailure } from '../api';
import { common } from '../strings/common';
import type { Session } from '../api/types';
import { box, watchContact } from './box.svelte';
import { place } from './location.svelte';
import { can, who, type Ability } from './roles';

class SignedIn {
  current = $state.raw<Session | null>(null);
  /** False until the box said whether somebody is signed in. */
  known = $state(false);
  setupNeeded = $state(false);
  /** Steps of the first set-up that an owner left out. */
  setupLeft = $state.raw<string[]>([]);

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
      await this.findSetup();
    }
    this.known = true;
  }

  take(session: Session): void {
    this.current = session;
    this.known = true;
    this.setupNeeded = false;
    box.start();
    if (session.user.role === 'owner') void this.findSetup();
  }

  /** Whether it may be tried now: the role allows it and the box answers. */
  can(ability: Ability): boolean {
    return this.why(ability) === '';
  }

  /** Why it cannot be tried; empty when it can. */
  why(ability: Ability): string {
    if (!this.current) return common.noAnswer;
    const { role } = this.current.user;
    if (!can(role, ability)) {
      const roles = who(ability).map((each) => common.roles[each]);
      return `${common.yourRole(common.roles[role])} ${common.needs(roles.join(` ${common.or} `))}`;
    }
    return box.lostSince === null ? '' : `${common.noAnswer}.`;
  }

  /** Whether the role allows it, also while the box is silent: for what is shown and not for what is done. */
  allowed(ability: Ability): boolean {
    return this.current !== null && can(this.current.user.role, ability);
  }

  async leave(): Promise<void> {
    await api.signOut().catch((failure: unknown) => {
      if (!(failure instanceof ApiFailure) || failure.unreachable) throw failure;
    });
    this.#gone();
    place.go('/sign-in');
  }

  /** Asks the box what is left of the first set-up. */
  async findSetup(): Promise<void> {
    try {
      const setup = await api.setup();
      this.setupNeeded = setup.needed;
      this.setupLeft = setup.steps;
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

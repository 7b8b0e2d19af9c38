// What a user name and a password must look like before the box is asked. The box checks again.

export const PASSWORD_LEAST = 12;

export function loginFits(login: string): boolean {
  return /^[a-z0-9._@+-]{1,64}$/i.test(login.trim());
}

export function isTimeZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return zone.trim().length > 0;
  } catch {
    return false;
  }
}

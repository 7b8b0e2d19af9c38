// Words of the sign-in page. In English.

export const signin = {
  title: 'Sign in',
  lead: 'This box works alone: your name and password are checked inside it.',
  login: 'User name',
  password: 'Password',
  submit: 'Sign in',
  busy: 'Signing in…',
  wrong: 'User name and password do not belong together. Nobody was signed in.',
  wait: (seconds: number) => `Too many tries. The box takes the next one in ${seconds} s.`,
  waitUnknown: 'Too many tries. Wait a minute, then try again.',
  empty: 'Fill in user name and password.',
  forgot: 'Forgot it? An owner can set a new one in Settings. Without one, an owner’s API key made at the console of the box can.',
  certificate: 'Certificate of this box',
};

// What identity providers send, in the order in which they send it. `{user}` and `{group}` are the ids of the user and the
// group that a response has named last, unless the step says that it is to be known `as` something else.
const USER = 'urn:ietf:params:scim:schemas:core:2.0:User';
const GROUP = 'urn:ietf:params:scim:schemas:core:2.0:Group';
const ENTERPRISE = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';

const get = (title, target, as) => ({ title, method: 'GET', target, as });
const send = (method) => (title, target, body) => ({ title, method, target, body });
const [post, put, patchWith] = ['POST', 'PUT', 'PATCH'].map(send);
const remove = (title, target) => ({ title, method: 'DELETE', target });
const patch = (title, target, Operations) =>
  patchWith(title, target, { schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'], Operations });

const okta = (name) => `/Users?filter=userName eq "${name}"&startIndex=1&count=100`;
const entra = (name) => `/Users?filter=userName+eq+"${name}"`;
const BABS = 'bjensen@example.com';
const MANDY = 'mpepperidge@example.com';

export const sequences = [
  {
    name: 'Okta: assign a user',
    steps: [
      get('Is the account there?', okta('test.user@okta.local')),
      post('It is not: create it', '/Users', {
        schemas: [USER],
        userName: 'test.user@okta.local',
        name: { givenName: 'Test', familyName: 'User' },
        emails: [{ primary: true, value: 'test.user@okta.local', type: 'work' }],
        displayName: 'Test User',
        locale: 'en-US',
        externalId: '00ujl29u0le5T6Aj10h7',
        groups: [],
        password: '1mz050nq',
        active: true,
      }),
      get('Read it back', '/Users/{user}'),
    ],
  },
  {
    name: 'Okta: update a profile',
    steps: [
      get('Find the account', okta(BABS)),
      get('Read it', '/Users/{user}'),
      put('Put it back, changed', '/Users/{user}', {
        schemas: [USER],
        id: '{user}',
        userName: BABS,
        name: { givenName: 'Babs', familyName: 'Jensen' },
        displayName: 'Babs Jensen',
        emails: [{ primary: true, value: BABS, type: 'work' }],
        title: 'Lead Guide',
        active: true,
        groups: [],
      }),
    ],
  },
  {
    name: 'Okta: deactivate, and assign again',
    steps: [
      get('Find the account', okta(BABS)),
      patch('Deactivate it', '/Users/{user}', [{ op: 'replace', value: { active: false } }]),
      patch('Once more: nothing to do', '/Users/{user}', [{ op: 'replace', value: { active: false } }]),
      patch('Activate it', '/Users/{user}', [{ op: 'replace', value: { active: true } }]),
    ],
  },
  {
    name: 'Okta: push a group',
    steps: [
      get('Is the group there?', '/Groups?filter=displayName eq "Test SCIMv2"&startIndex=1&count=100'),
      post('It is not: create it', '/Groups', { schemas: [GROUP], displayName: 'Test SCIMv2', members: [] }),
      get('Find the member', okta(BABS)),
      patch('Add the member', '/Groups/{group}', [
        { op: 'add', path: 'members', value: [{ value: '{user}', display: BABS }] },
      ]),
      patch('Rename the group', '/Groups/{group}', [
        { op: 'replace', value: { id: '{group}', displayName: 'Renamed SCIMv2' } },
      ]),
      get('Find another user', okta(MANDY)),
      patch('Push now: exactly these members', '/Groups/{group}', [
        { op: 'replace', path: 'members', value: [{ value: '{user}', display: MANDY }] },
      ]),
      patch('Remove the member', '/Groups/{group}', [{ op: 'remove', path: 'members[value eq "{user}"]' }]),
      remove('Delete the group', '/Groups/{group}'),
    ],
  },
  {
    name: 'Entra ID: test the connection, create a user',
    steps: [
      get('Test the connection', entra('f0e6a3b1-6c0a-4c55-9a3e-2b6d7c1e8f90')),
      get('Is the account there?', entra('Test_User_00aa@example.com')),
      post('It is not: create it', '/Users', {
        schemas: [USER, ENTERPRISE],
        externalId: '0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef',
        userName: 'Test_User_00aa@example.com',
        active: true,
        displayName: 'givenName familyName',
        emails: [{ primary: true, type: 'work', value: 'Test_User_00aa@example.com' }],
        meta: { resourceType: 'User' },
        name: { formatted: 'givenName familyName', familyName: 'familyName', givenName: 'givenName' },
        roles: [],
        [ENTERPRISE]: { department: 'Retail' },
      }),
      get('Read it back', '/Users/{user}'),
    ],
  },
  {
    name: 'Entra ID: PATCH, the usual dialect',
    steps: [
      get('Find the account', entra(BABS)),
      patch('Change attributes', '/Users/{user}', [
        { op: 'Replace', path: 'displayName', value: 'Pvlo' },
        { op: 'Replace', path: 'emails[type eq "work"].value', value: 'testbcwqnm@test.microsoft.com' },
        { op: 'Replace', path: 'name.givenName', value: 'Gtfd' },
        { op: 'Add', path: 'nickName', value: 'Babs' },
        { op: 'Add', path: 'phoneNumbers[type eq "work"].value', value: '+1 7' },
        { op: 'Add', path: `${ENTERPRISE}:department`, value: 'Retail' },
      ]),
      patch('Disable', '/Users/{user}', [{ op: 'Replace', path: 'active', value: 'False' }]),
      patch('Remove the phone number', '/Users/{user}', [
        { op: 'Remove', path: 'phoneNumbers[type eq "work"].value', value: '+1 7' },
      ]),
    ],
  },
  {
    name: 'Entra ID: PATCH, with aadOptscim062020',
    steps: [
      get('Find the account', `/Users?aadOptscim062020&filter=userName+eq+"${BABS}"`),
      patch('Change attributes', '/Users/{user}?aadOptscim062020', [
        { op: 'replace', path: 'emails[type eq "work"].value', value: 'testmhvaes@test.microsoft.com' },
        {
          op: 'replace',
          value: {
            displayName: 'Bjfe',
            'name.givenName': 'Kkom',
            'name.familyName': 'Unua',
            [`${ENTERPRISE}:department`]: 'Aklq',
          },
        },
        { op: 'replace', path: 'active', value: false },
      ]),
      get('Read it back', '/Users/{user}'),
    ],
  },
  {
    name: 'Entra ID: manager',
    steps: [
      get('Find the account', entra(BABS)),
      get('Find the manager', entra(MANDY), 'manager'),
      patch('Set the manager', '/Users/{user}', [{ op: 'Add', path: `${ENTERPRISE}:manager`, value: '{manager}' }]),
      get('Has it that manager?', '/Users?filter=id eq "{user}" and manager eq "{manager}"&attributes=id'),
      patch('Clear the manager', '/Users/{user}', [{ op: 'Replace', path: `${ENTERPRISE}:manager`, value: '' }]),
    ],
  },
  {
    name: 'Entra ID: groups',
    steps: [
      get('Is the group there?', '/Groups?excludedAttributes=members&filter=displayName+eq+"Tours"'),
      post('It is not: create it', '/Groups', {
        schemas: [GROUP, 'http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group'],
        externalId: '8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159',
        displayName: 'Tours',
        meta: { resourceType: 'Group' },
      }),
      get('Find the member', entra(BABS)),
      patch('Add the member', '/Groups/{group}', [
        { op: 'Add', path: 'members', value: [{ $ref: null, value: '{user}' }] },
      ]),
      get('Is it a member?', '/Groups?filter=id eq "{group}" and members eq "{user}"&attributes=id'),
      patch('Remove the member', '/Groups/{group}', [
        { op: 'Remove', path: 'members', value: [{ $ref: null, value: '{user}' }] },
      ]),
      remove('Delete the group', '/Groups/{group}'),
    ],
  },
  {
    name: 'Filters, sorting and paging',
    steps: [
      get('By name', `/Users?filter=userName eq "${BABS}"`),
      get('Begins with', '/Users?filter=userName sw "m"'),
      get('By address', `/Users?filter=emails[type eq "work"].value eq "${MANDY}"`),
      get('One or the other', `/Users?filter=userName eq "${BABS}" or userName eq "${MANDY}"`),
      get('Who is inactive?', '/Users?filter=active eq false'),
      get('One at a time', '/Users?startIndex=2&count=1'),
      get('In order', '/Users?sortBy=userName&sortOrder=descending&attributes=userName'),
      get('What can be asked', '/Schemas'),
    ],
  },
  { name: 'A request of your own', steps: [get('Your request', '/Users')] },
];

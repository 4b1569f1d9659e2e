# The hub alone: its API answers on the hub's own address, and no user's server is ever started.
from jupyterhub.proxy import Proxy

import os


class NoProxy(Proxy):
    should_start = False

    async def add_route(self, routespec, target, data):
        pass

    async def delete_route(self, routespec):
        pass

    async def get_all_routes(self):
        return {}


c = get_config()  # noqa: F821
c.JupyterHub.proxy_class = NoProxy
c.JupyterHub.hub_bind_url = os.environ["HUB_URL"]
c.JupyterHub.db_url = "sqlite:///hub.sqlite"
c.JupyterHub.cookie_secret_file = "cookie_secret"
c.JupyterHub.authenticator_class = "dummy"
c.JupyterHub.spawner_class = "simple"
c.DummyAuthenticator.password = os.environ["HUB_TOKEN"]
c.Authenticator.allow_existing_users = True
c.Authenticator.admin_users = {"root-admin"}
# A free-form object of each user, which PATCH can write. Wants JUPYTERHUB_CRYPT_KEY.
c.Authenticator.enable_auth_state = True
c.JupyterHub.services = [
    {"name": "scim", "api_token": os.environ["HUB_TOKEN"]},
    {"name": "scim-admin", "api_token": os.environ["HUB_ADMIN_TOKEN"], "admin": True},
]
c.JupyterHub.load_roles = [
    {
        "name": "scim-provisioner",
        "services": ["scim"],
        "scopes": ["admin:users", "admin:groups", "list:users", "list:groups", "read:hub"],
    }
]
c.JupyterHub.api_page_default_limit = 50
c.JupyterHub.api_page_max_limit = 200

-- Sessions and e-mail addresses belong to Django and allauth; the application signs people in with them.
GRANT SELECT, INSERT, UPDATE, DELETE ON django_session, account_emailaddress, account_emailconfirmation TO :"app";

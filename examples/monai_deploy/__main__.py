"""The application that ``monai-deploy package`` puts into an image; ``python examples/monai_deploy -i IN -o OUT``.

Your own application: copy ``monai_sr.deploy.app`` and connect its operators with yours.
"""

from monai_sr.deploy.__main__ import main

if __name__ == "__main__":
    main()

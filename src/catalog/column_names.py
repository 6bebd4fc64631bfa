"""What shops' exports call the fields of a listing, the surest names first."""

import re
import unicodedata

# Names of one set fit equally well; those of an earlier set are preferred to those of a later one.
USUAL_NAMES: dict[str, tuple[frozenset[str], ...]] = {
    field: tuple(frozenset(names.split()) for names in ranks)
    for field, ranks in {
        "listing_id": (
            "listingid",
            "uniqid uniqueid postingid itemsku offerid",
            "productid itemid",
            "id",
            "handle urlhandle handleid",  # Shopify, Wix: the sku is the variant's, and often empty
            "sku sellersku skuid merchantsku",
            "pid asin articleid goodsid",
            "listing itemnumber productcode variantsku parentsku ettitleproductid",
            "artikelnummer artikelnr produktid reference referencia referenza codigo codice",
            "商品管理番号 商品id 商品番号 商品编号",
        ),
        "title": (
            "title",
            "productname producttitle itemname itemtitle listingtitle productdisplayname",
            "name",
            "designation headline listingname ettitleproductname",
            "titel titre titulo titolo bezeichnung artikelname produktname nombre nome nom",
            "nomduproduit nombredelproducto nomeprodotto nomedoproduto 商品名 商品名称 标题",
        ),
        "description": (
            "description",
            "productdescription itemdescription bodyhtml longdescription catalogdesc",
            "desc body text",
            "shortdescription",
            "beschreibung produktbeschreibung descripcion descrizione descricao",
            "商品説明文 商品说明",
        ),
        "brand": (
            "brand",
            "brandname productbrand brands",
            "manufacturer",
            "maker",
            "vendor",
            "marke marque marca",
        ),
        "category": (
            "category",
            "categorypath categoryname productcategorytree categorytree",
            "categories productcategory productcategories itemcategory",
            "googleproductcategory",
            "producttype feedproducttype",
            "itemtypename itemtype itemtypekeyword",
            "prdtypecode genreid genre categoryid",
            "label class",
            "kategorie produktkategorie categorie categoria ジャンルid カテゴリ 类目 分类",
        ),
        "image": (
            "image",
            "imagepath photopath imagefile photofile imagefilename",
            "mainimage baseimage coverimage mainphoto productimage productimagefile1",
            "imagelink imagesrc imageurl mainimageurl productimageurl imageurls imagepath1",
            "images photo photos picture pictures img",
            "hostedimageurls picurl pictureurl galleryurl",
            "image1 imageurl1 imagelink1 imagefile1 photo1 picture1",
            "bild bilder bildurl produktbild foto fotos imagen imagenes imagem imagens immagine",
            "immagini 商品画像 商品画像パス1 画像 图片 主图",
            "filename file",
        ),
        "group": ("group",),
    }.items()
}
"""Field -> sets of normalised names: Magento, Shopify, WooCommerce, Google Merchant, Amazon's flat
file, Flipkart, Shopee, Rakuten, and common data sets. A group is never guessed from a seller's
column: where all listings are one seller's, they would be one group."""


_MORE_IMAGES = re.compile(
    r"(?:more|additional|other|extra|further|alternate|secondary|gallery|variant)(?:product)?"
    r"(?:image|photo|picture)s?(?:url|link|path|file|src)?s?\d*"
    r"|(?:item|product)?(?:image|photo|picture)(?:url|link|path|file|src)?(?:[2-9]|1\d)"
    r"|itemimage1|商品画像パス(?:[2-9]|1\d)"
)
"""Magento ``additional_images``, Google Merchant ``additional_image_link``, Amazon
``other_image_url1`` to 8, Shopify ``Variant Image``, and ``image2``, ``photo_3`` and their like."""


def holds_more_images(name: str) -> bool:
    """Tell whether a column holds further photos of a listing.

    >>> holds_more_images("other_image_url1"), holds_more_images("additional_image_labels")
    (True, False)
    """
    return _MORE_IMAGES.fullmatch(name_key(name)) is not None


_ALL_IMAGES = frozenset(
    ["images", "photos", "pictures", "imageurls", "productimages", "bilder", "fotos"]
)


def holds_all_images(name: str) -> bool:
    """Tell whether a column holds several photos of a listing, the main one perhaps among them."""
    return name_key(name) in _ALL_IMAGES


def looks_like_images(name: str) -> bool:
    """Tell whether a column that isn't known may hold photos, by its name."""
    key = name_key(name)
    return bool(_PHOTO_WORDS.search(key)) and not _NO_PHOTOS.search(key)


_PHOTO_WORDS = re.compile(r"image|photo|picture|^pics?|img|bild|foto|imagen|画像|图|thumbnail")
_NO_PHOTOS = re.compile(r"alt|label|position|type|text|width|height|count|size|hash|category")


def name_key(name: str) -> str:
    """Reduce a column's name to what its spellings share: ``Product Name``, ``product-name``.

    Accents don't count, nor does what a template says of a column in brackets.

    >>> name_key("g:image_link"), name_key("Body (HTML)")
    ('imagelink', 'bodyhtml')
    >>> name_key("Catégories (x,y,z...)")
    'categories'
    """
    plain = re.sub(r"^g:", "", name.strip().casefold())
    plain = re.sub(r"[(\[][^()\[\]]*(?:\.\.\.|/|editable)[^()\[\]]*[)\]]", "", plain)
    bare = re.sub("[\u0300-\u036f]", "", unicodedata.normalize("NFKD", plain))
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFC", bare))


def rank(field: str, name: str) -> int | None:
    """Say how surely a column holds a field: 0 is surest; None if it doesn't seem to."""
    if name == field:
        return 0
    key = name_key(name)
    places = (n for n, names in enumerate(USUAL_NAMES[field], start=1) if key in names)
    return next(places, None)


def recognised(name: str) -> str | None:
    """Name the field that a column most surely holds, if any."""
    ranks = {field: rank(field, name) for field in USUAL_NAMES}
    fitting = {field: place for field, place in ranks.items() if place is not None}
    return min(fitting, key=fitting.__getitem__) if fitting else None

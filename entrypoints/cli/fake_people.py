"""Invents users, with names in many scripts and undeliverable email addresses."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Locale:
    """Given and family names of one language, and a domain for its email addresses.

    The domains are reserved for examples (RFC 2606, RFC 6761).
    """

    given: tuple[str, ...]
    family: tuple[str, ...]
    domain: str
    family_first: bool = False
    between: str = " "

    def name(self, given: str, family: str) -> str:
        """The full name in the order of the language."""
        return self.between.join((family, given) if self.family_first else (given, family))


def _locale(given: str, family: str, domain: str, **options: Any) -> Locale:
    return Locale(tuple(given.split()), tuple(family.split()), domain, **options)


LOCALES: Final = (
    _locale(
        "Ann Ben Chloe Daniel Ella Finn Grace Henry Isla Jack",
        "Baker Carter Ellis Fisher Grant Hughes Miller O'Hara Reed Turner",
        "example.org",
    ),
    _locale(
        "Anaïs Benoît Chloé Désirée François Gaël Hélène Jérôme Léa Noël",
        "Béranger Château d'Arcy Éluard Fontaine Garçon Lefèvre Mézières Noël Rousseau",
        "exemple.example",
    ),
    _locale(
        "Änne Björn Günther Hannelore Jörg Käthe Lukas Mäxchen Sören Ute",
        "Bäcker Fuß Groß Jäger Köhler Löwe Müller Schäfer Strauß Weiß",
        "beispiel.example",
    ),
    _locale(
        "Agnieszka Bogusław Grażyna Józef Łucja Małgorzata Paweł Stanisław Zofia Żaneta",
        "Błaszczyk Dąbrowski Gołąb Jabłoński Kołodziej Łuczak Nowak Wójcik Zając Żuraw",
        "przykład.example",
    ),
    _locale(
        "Ayşe Çağla Deniz Elif Gökhan Işıl İbrahim Ömer Şule Ümit",
        "Arslan Çelik Doğan Güneş Işık Kılıç Öztürk Şahin Türkmen Yıldız",
        "örnek.example",
    ),
    _locale(
        "An Bình Châu Dũng Hạnh Linh Minh Ngọc Phượng Tuấn",
        "Bùi Đặng Đỗ Hoàng Huỳnh Lê Nguyễn Phạm Trần Vũ",
        "example.com",
        family_first=True,
    ),
    _locale(
        "Αλέξανδρος Βασιλική Γιώργος Δήμητρα Ελένη Ζωή Ιωάννης Μαρία Νίκος Σοφία",
        "Αγγελόπουλος Βλάχος Γεωργίου Δημητρίου Ιωαννίδης Καραγιάννης Λάμπρος Παππάς Ρήγας Χρήστου",
        "παράδειγμα.example",
    ),
    _locale(
        "Алексей Борис Вера Галина Дмитрий Елена Иван Мария Ольга Юрий",
        "Алёшин Васильев Громов Ершов Иваненко Кузнецов Морозов Соколов Чехов Щукин",
        "пример.example",
    ),
    _locale(
        "Անի Արամ Գայանե Դավիթ Լիլիթ Հայկ Մարիամ Նարե Տիգրան Սոնա",
        "Աբրահամյան Գրիգորյան Հակոբյան Մանուկյան Պետրոսյան Սարգսյան",
        "example.net",
    ),
    _locale(
        "გიორგი დავითი ელენე თამარი ლევანი მარიამი ნინო სანდრო",
        "ბერიძე გელაშვილი კაპანაძე ლომიძე მაისურაძე ჯაფარიძე",
        "example.net",
    ),
    _locale(
        "אבי דוד חנה יעל לאה משה נועה רחל שרה תמר",
        "אברהם ברק גולן כהן לוי מזרחי פרץ שלום",
        "example.org",
    ),
    _locale(
        "أحمد جميلة خالد زينب سارة عمر فاطمة ليلى محمد يوسف",
        "البغدادي الحسن الخطيب الشامي العلي المصري النجار حداد",
        "مثال.example",
    ),
    _locale(
        "अनिल कविता दीपक नेहा प्रिया मोहन राहुल लक्ष्मी विजय सुनीता",
        "अग्रवाल कपूर गुप्ता चौधरी जोशी वर्मा शर्मा सिंह",
        "उदाहरण.example",
    ),
    _locale(
        "กานดา ชัย ดาว นภา ปรีชา มาลี วิชัย สมชาย สุดา อรุณ",
        "แก้วใส ใจดี ทองคำ บุญมา รักไทย ศรีสุข",
        "ตัวอย่าง.example",
    ),
    _locale(
        "伟 芳 娜 敏 静 丽 强 磊 洋 秀英",
        "王 李 张 刘 陈 杨 黄 赵 欧阳 司马",
        "例子.example",
        family_first=True,
        between="",
    ),
    _locale(
        "葵 陽菜 蓮 結衣 大翔 さくら 健太 美咲 拓海 ひなた",
        "佐藤 鈴木 高橋 田中 渡辺 伊藤 山本 中村 小林 加藤",
        "例え.example",
        family_first=True,
    ),
    _locale(
        "민준 서연 도윤 지우 하은 예준 수아 시우 지민 은우",
        "김 이 박 최 정 강 조 윤 남궁 황보",
        "실례.example",
        family_first=True,
        between="",
    ),
)

_ROLES: Final = ("user",) * 16 + ("editor",) * 3 + ("admin",)
_ACTIVE: Final = 0.8


def fake_people(count: int, seed: int = 0) -> Iterator[dict[str, Any]]:
    """The attributes of `count` users. A seed always gives the same users; emails are unique."""
    random = Random(seed)
    for number in range(1, count + 1):
        locale = random.choice(LOCALES)
        given, family = random.choice(locale.given), random.choice(locale.family)
        yield {
            "email": f"{_plain(given)}.{_plain(family)}.{number}@{locale.domain}",
            "name": locale.name(given, family),
            "is_active": random.random() < _ACTIVE,
            "role": random.choice(_ROLES),
        }


def _plain(name: str) -> str:
    return name.replace("'", "").lower()
